"""The runtime's own failures, one line each; an exception's docstring says what is true once it is raised.

Enters: text. Stays out: what an application refuses or fails with (it subclasses `Refused` or raises its own).
"""

import pykka


class RuntimeFault(Exception):
    """Something the runtime itself has to say."""


class Refused(RuntimeFault):
    """A handler declined the message: the asker is told, nothing was sent, the actor lives on."""


class AskTimeout(RuntimeFault, pykka.Timeout):
    """No answer came in time: what happened to the question is unknown."""


class ActorDead(RuntimeFault, pykka.ActorDeadError):
    """There is no such actor, or it ended before it handled the question."""


class AskFailed(RuntimeFault):
    """The actor crashed or was restarted over the question; what it had done outside by then is unknown."""


class BlockingAskInActor(RuntimeFault):
    """A handler tried to wait for an answer; use `context.ask`, whose answer arrives as a message."""


class ContextNotBound(RuntimeFault):
    """An actor's context was touched before `on_start`; it exists from `on_start` on."""


class HandlerOverran(RuntimeFault):
    """A handler ran past its deadline and was declared lost; whatever it still does is discarded."""


class Killed(RuntimeFault):
    """The actor was declared lost on request."""


class EndedUnexpectedly(RuntimeFault):
    """A permanent actor stopped itself; it is started again and that counts as a restart."""


class ChildEscalated(RuntimeFault):
    """A child used up its restarts and its supervisor takes the failure as its own."""


class RestartRequested(RuntimeFault):
    """An actor asked for a fresh behaviour; not a failure, raised to leave the handler at once."""
