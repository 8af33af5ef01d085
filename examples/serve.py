"""A service over HTTP that answers for a stored model, without TensorFlow.

MODEL=model.joblib uvicorn --factory serve:service
"""

import os

import joblib
from fastapi import FastAPI, HTTPException
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel


class Question(BaseModel):
    """Rows, and which of the classes are allowed in each."""

    X: list[list[float]]
    allowed: list[list[bool]] | None = None


def service() -> FastAPI:
    """Return the application for the model that the variable MODEL names."""
    clf = joblib.load(os.environ["MODEL"])
    app = FastAPI()

    @app.post("/predict")
    def predict(question: Question) -> dict[str, list]:
        mask = {} if question.allowed is None else {"allowed": question.allowed}
        try:
            labels = clf.predict(question.X, **mask)
            proba = clf.predict_proba(question.X, **mask)
        except (TypeError, ValueError) as error:  # a bad request: the message says why
            raise HTTPException(422, str(error)) from error
        return {"labels": labels.tolist(), "probabilities": proba.tolist()}

    @app.exception_handler(RequestValidationError)
    def refuse(request, error):  # without the input, which may be NaN: no JSON
        found = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        return JSONResponse({"detail": "; ".join(found)}, status_code=422)

    return app
