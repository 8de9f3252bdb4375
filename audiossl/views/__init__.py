"""What the views of both wings share."""
