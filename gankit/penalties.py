"""`gankit.parts.penalties` under the name that plugins written before 0.2 know it by."""

from gankit.parts.penalties import (
    R1 as R1,
)
from gankit.parts.penalties import (
    R2 as R2,
)
from gankit.parts.penalties import (
    OnDiscriminator as OnDiscriminator,
)
from gankit.parts.penalties import (
    half_squared_gradient as half_squared_gradient,
)
from gankit.parts.penalties import (
    input_gradient as input_gradient,
)
from gankit.parts.penalties import (
    safe_norm as safe_norm,
)
