"""pyarrow's compute functions and arrays, as the library takes them.

Its stubs refuse what the library documents: plain Python scalars, masks of unknown element type, mixed array kinds.
"""

from typing import Any, TypeAlias

import pyarrow.compute

# Any: see above; element types are checked where a batch takes its staging columns, by PostgreSQL's COPY at the latest.
pc: Any = pyarrow.compute
Array: TypeAlias = Any  # a pyarrow.Array
