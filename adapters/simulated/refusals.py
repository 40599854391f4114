"""What the exchange says no with: a Bybit return code and Bybit's text.

Enters: nothing but the code and its words. Stays out: HTTP, sockets, any decision about when to refuse.
Source: the code table in Bybit's v5 documentation (docs/v5/error).
"""

BAD_PARAMETER = 10001
STALE_REQUEST = 10002
UNKNOWN_KEY = 10003
BAD_SIGNATURE = 10004
TOO_MANY_VISITS = 10006
SERVER_ERROR = 10016
NOT_MODIFIED = 34040
ORDER_NOT_FOUND = 110001
PRICE_OUT_OF_RANGE = 110003
MARGIN_TOO_SMALL = 110007
TRADING_SUSPENDED = 110066
TOO_MANY_CONDITIONALS = 110009
LEVERAGE_TOO_HIGH = 110013
REDUCE_ONLY_WITHOUT_POSITION = 110017
TOO_MANY_ACTIVE_ORDERS = 110020
MODE_WITH_POSITION = 110024
MODE_NOT_MODIFIED = 110025
MARGIN_MODE_NOT_MODIFIED = 110026
MODE_WITH_ORDERS = 110028
LEVERAGE_NOT_MODIFIED = 110043
TOO_MANY_PARTIAL_STOPS = 110061
QUANTITY_BELOW_FILLED = 110064
DUPLICATE_LINK_ID = 110072
EXPECT_RISING = 110092
EXPECT_FALLING = 110093
NOTIONAL_TOO_SMALL = 110094


class Refusal(Exception):
    """The exchange refused a request: ``code`` and ``text`` go on the wire as retCode and retMsg."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


def bad_parameter(text: str) -> Refusal:
    """A request that can never succeed as it is written (10001)."""
    return Refusal(BAD_PARAMETER, text)


def order_gone() -> Refusal:
    """An order that is unknown, or already finished (110001)."""
    return Refusal(ORDER_NOT_FOUND, "order not exists or too late to cancel")
