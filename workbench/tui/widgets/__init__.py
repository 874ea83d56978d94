"""The widgets of the screens, one a module. They draw themselves line by line."""
