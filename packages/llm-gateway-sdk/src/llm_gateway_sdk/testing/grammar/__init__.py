"""Independent checkers of each dialect's stream grammar: test tools, which share no code with what they judge."""
