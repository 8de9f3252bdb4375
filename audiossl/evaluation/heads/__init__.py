"""What turns features into scores of classes, and how it is fitted and chosen."""
