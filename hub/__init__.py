"""The web node of the notification hub: publishing, live inboxes and read state."""

__version__ = "0.1.0"
