"""Face recognizers as adapters, with gradients where they are to be surrogates."""
