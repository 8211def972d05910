"""The built-in rules, one in each file. A new rule is a class with one method, and a table in the rule set."""
