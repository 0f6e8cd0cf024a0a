"""`arriero.doctor`: what stands between a client and its server, and what to do about it.

`rules` decides, from what was seen, what is found; `probes` looks; `examine` asks for one
after the other and stops where nothing further can be seen.
"""
