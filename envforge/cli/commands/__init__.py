"""The commands, a module for each group of them: `envforge.cli.root` says which is where."""
