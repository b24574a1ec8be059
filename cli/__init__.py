"""The command line: the recipe that is saved with a network, and the commands."""
