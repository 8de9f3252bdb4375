"""The image wing: decode, front end and views of pictures."""
