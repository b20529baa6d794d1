"""The claims of the lecture notes on recurrent networks, one file each: `python -m train study --list`."""
