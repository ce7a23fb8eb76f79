"""Units of table columns, as people read them."""

from typing import Final

PESO: Final = "CLP per USD"
POUND: Final = "USD/lb"
FLAG: Final = "true or false"
TEXT: Final = "text"
DAY: Final = "date"
INSTANT: Final = "UTC"
COUNT: Final = "count"
SHARE: Final = "share, 0 to 1"
RATIO: Final = "ratio"
LOG: Final = "log return"
