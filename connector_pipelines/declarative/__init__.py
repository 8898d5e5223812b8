"""Sources that are declared in YAML alone: what the connectors csv_api and json_api share.

settings.py     what a source must say, but for the shape of its pages
mapping.py      which field feeds which core column
paging.py       where the next page is: what may be declared
paginators.py   where the next page is: how it is found
following.py    which paginator carries out what is declared
places.py       parameters of requests, in query or body
credentials.py  how requests are signed: what may be declared
answers.py      what an answer means, also where its status says something else
paths.py        where a value is in a record, by JMESPath or by column name
bodies.py       compressed bodies, and what we note on a page for its replay
decoding.py     raw records to one text for each mapped column
schemas.py      what is accepted, by the kind of the core column
transform.py    accepted texts to core columns
jobs.py         reports that are asked for first: what may be declared
running.py      reports that are asked for first: how that is done
positions.py    how far a source was read in its own counting
watching.py     reads by offset that are to prove absence
api.py          the open source, and how its pages become records
client.py       reading: requests, pages, the connection test
simulator/      a server that can do all of it, and misbehaves on request
"""
