"""Studies of textbook claims about recurrent networks, one file each: `python -m train study --list`."""
