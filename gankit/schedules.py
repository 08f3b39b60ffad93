"""`gankit.parts.schedules` under the name that plugins written before 0.2 know it by."""

from gankit.parts.schedules import (
    Cosine as Cosine,
)
from gankit.parts.schedules import (
    Decay as Decay,
)
from gankit.parts.schedules import (
    Number as Number,
)
from gankit.parts.schedules import (
    Ramp as Ramp,
)
from gankit.parts.schedules import (
    at as at,
)
from gankit.parts.schedules import (
    require_between as require_between,
)
from gankit.parts.schedules import (
    schedule as schedule,
)
