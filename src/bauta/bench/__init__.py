"""The bench: methods x budgets x judges x scenarios x people, each number with its interval."""
