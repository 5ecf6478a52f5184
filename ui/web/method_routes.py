"""Methods, formats and recipes over the wire."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from layerstudio.pipelines.rerunning import recipe_of
from layerstudio.ui.web.bodies import fields_of
from layerstudio.ui.web.errors_json import NotFound
from layerstudio.ui.web.exports import format_views
from layerstudio.ui.web.method_costs import Machine
from layerstudio.ui.web.methods_view import methods_view
from layerstudio.ui.web.recipes import recipe_view, request_of
from layerstudio.ui.web.sessions import Session, current_session

router = APIRouter(prefix="/studio")
Own = Annotated[Session, Depends(current_session)]
_machine = Machine()


@router.get("/methods")
def methods(request: Request) -> dict[str, Any]:
    """What can be chosen, what of it is here, and what it costs on this machine."""
    return methods_view(_machine.device(), request.app.state.jobs.timings)


@router.get("/formats")
def formats() -> dict[str, Any]:
    """What a document can be exported to."""
    return {"formats": format_views()}


@router.get("/recipe")
def recipe(session: Own) -> dict[str, Any]:
    """How the open document was made, to be run elsewhere."""
    moment = session.studio.moment
    document = moment.document
    if document.request is None:
        raise NotFound("The document does not say how it was made: it has no recipe.")
    assert moment.snapshot is not None, "there is a document"
    return recipe_view(recipe_of(document), file=f"{moment.snapshot.name}.psd")


@router.post("/recipe")
async def recipe_of_request(request: Request) -> dict[str, Any]:
    """The same for a request that is being set up."""
    fields = await fields_of(request)
    fields.only(("request",))
    return recipe_view(request_of(fields.mapping("request")))
