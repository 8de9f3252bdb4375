"""Methods: everything between views and a loss. They know nothing of sound, images, trainers or ranks."""
