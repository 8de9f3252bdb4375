"""The audio wing: decode, front end and views of sounds."""
