"""The shared stores: one file each, all behind the one port."""
