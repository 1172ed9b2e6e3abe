"""The optimisation engine: goals, budgets, transforms, ensembles, momentum and the loop."""
