"""The screen: it draws states and passes on what is typed. What that means is decided in `session`."""
