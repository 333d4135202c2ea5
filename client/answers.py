"""Answers of the service as the values of its contract."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from client.errors import TransferError

Model = TypeVar("Model", bound=BaseModel)


def parsed(model: type[Model], body: bytes | str) -> Model:
    """The value in a JSON body; raises TransferError where it is something else, as when the address is not ntkd's."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise TransferError(f"the answer is no {model.__name__} of ntkd; is this the address of an ntkd?") from error
