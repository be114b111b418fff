"""What can go wrong with storage, in words that the rooms above understand.

StorageError
|- StorageUnavailable      the database cannot be reached, has no room or gave no answer in time: try again later
|- StorageRefused          the database looked at the data and refused it: trying again will not help
|  |- KeyTakenError        (storage/keys.py) the id of a key means something else already
|- StorageUnsuitable       the database is too old, or its schema is not the one this code was written for
"""


class StorageError(Exception):
    """Base of everything this room raises on purpose."""


class StorageUnavailable(StorageError):  # noqa: N818 - named after the state, which is what callers decide on
    """The database cannot be reached, is full, or did not answer in time. The same call may succeed later."""


class StorageRefused(StorageError):  # noqa: N818 - named after what happened, like its neighbours
    """The database refused this data. The same call will fail again: halve the batch until the culprit stands alone."""


class StorageUnsuitable(StorageError):  # noqa: N818 - named after the state, like its neighbours
    """The database is of a version, or has a schema, that this code cannot work with. The message says what to do."""
