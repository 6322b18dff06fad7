"""What HTTP and webhooks carry."""
