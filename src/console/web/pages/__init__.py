"""The audit page: HTML for people, made by the server, with a stylesheet and a little script that are both optional.

Its routes are rows of the console's one table, with the same roles, limits and headers as the API.
"""
