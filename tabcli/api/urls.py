"""Lets arguments of a verb be URLs: every verb works on local paths, so a URL changes nothing of what it does."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields, is_dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import pandas as pd

from tabcli import storage
from tabcli.api.results import PrepResult, TrainResult
from tabcli.api.staging import Role, Staging
from tabcli.errors import TabcliError, UsageError

P = ParamSpec("P")

R = TypeVar("R")


def _urls_in(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(map(_urls_in, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_urls_in, value))
    return storage.url_of(value if isinstance(value, str | Path) else getattr(value, "path", None)) is not None


def _staged(value: object, role: Role, stage: Staging, arguments: Mapping[str, object]) -> object:
    """An argument with paths in the place of its URLs."""
    if isinstance(value, pd.DataFrame) or not _urls_in(value):
        return value
    if isinstance(value, Mapping):
        return {name: _staged(v, "parts", stage, arguments) for name, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_staged(v, role, stage, arguments) for v in value]
    url = storage.url_of(value)
    if url is not None:
        return stage.local(role, url, arguments)
    if role not in ("opened", "cards") or not isinstance(value, PrepResult | TrainResult):
        return value
    path = stage.local(role, str(storage.url_of(value.path)), arguments)
    assert isinstance(path, Path)
    return replace(value, path=path)


@contextmanager
def _speaking_of(stage: Staging) -> Iterator[None]:
    """Errors name URLs, not the places on this machine."""
    try:
        yield
    except TabcliError as error:
        error.message = stage.named_text(error.message)
        error.hint = None if error.hint is None else stage.named_text(error.hint)
        error.args = (error.message,)
        raise


def at_urls(**roles: Role) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Lets the named arguments of a verb be URLs. All other arguments that may be paths must be on this machine.

    What the verb returns has URLs in the place of paths. A call without URLs goes straight to the verb.
    """

    def decorate(verb: Callable[P, R]) -> Callable[P, R]:
        @wraps(verb)
        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            bound = inspect.signature(verb).bind(*args, **kwargs)
            if not any(map(_urls_in, bound.arguments.values())):
                return verb(*args, **kwargs)
            for name, value in bound.arguments.items():
                if name not in roles and isinstance(value, str | Path) and (url := storage.url_of(value)):
                    raise UsageError(f"{name} {url}: expected a path on this machine")
            with ExitStack() as stack:
                stage = Staging(stack)
                stack.enter_context(_speaking_of(stage))
                written = [(roles[n], bound.arguments.get(n)) for n in roles if roles[n] in ("maps", "file")]
                for name in sorted(roles, key=lambda n: roles[n] == "tables"):  # the run's config tells its tables
                    if name in bound.arguments:
                        bound.arguments[name] = _staged(bound.arguments[name], roles[name], stage, bound.arguments)
                for role, value in written:
                    stage.refuse_input(role, storage.url_of(value))
                result = verb(*bound.args, **bound.kwargs)
                stage.publish()
                return _with_urls(result, stage)

        return called

    return decorate


def _with_urls(result: R, stage: Staging) -> R:
    if not is_dataclass(result):
        return result
    said = {f.name: getattr(result, f.name) for f in fields(result) if f.init}
    changed = {name: stage.named(value) for name, value in said.items() if isinstance(value, Path | str | list)}
    changed = {name: value for name, value in changed.items() if value is not said[name]}
    return cast(R, replace(cast(Any, result), **changed)) if changed else result
