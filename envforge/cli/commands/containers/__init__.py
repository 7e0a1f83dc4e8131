"""Commands for containers, named as Docker's are."""
