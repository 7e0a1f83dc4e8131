"""What each screen shows and which command an action is: plain data and pure functions, without Textual."""
