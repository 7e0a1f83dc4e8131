"""Where inputs come from. Each source writes into a directory that it is handed."""
