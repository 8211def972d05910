"""The rules: one small class with one method in each file. A new rule is a class and a line in the rule set."""
