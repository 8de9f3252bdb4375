"""What a row of the table offers to the protocols: embeddings of clips, patches and frames."""
