"""Answers that are given more than once: kept ones, and ones shared while they are made.

What may be shared at all (`sameness`), under which key, in which form (`kept`), who waits for
whom (`flights`), and the way of a call through it all (`way`).
"""
