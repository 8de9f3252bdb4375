"""Where sounds and embeddings are: paths of this machine, and URLs that fsspec can open (s3, gs, https, memory ...).

The one room that knows of URLs. A local place is a `pathlib.Path` and is treated as ever; a folder elsewhere is a
`folder.Remote`, which has those methods of a Path that a folder of embeddings needs. Promise: what a URL holds in
confidence (a password, the query of a signed address) is used to fetch, and never stored, shown or logged.
"""
