"""The command line: the recipe that is saved with a network, the data, and the commands."""
