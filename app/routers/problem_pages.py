"""The page behind each problem's `type`: what it means and what to do, in English or Japanese."""

from html import escape

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app.domain.errors import NotFoundError
from app.routers import problems
from app.routers.edge.declaration import public
from app.routers.edge.route import BatonRoute

router = APIRouter(route_class=BatonRoute)

_CSP = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

_PAGE = """<!doctype html>
<html lang="{lang}"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body{{font:1rem/1.6 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem}}
code{{color:#666}}
</style>
<h1>{title}</h1><p><code>{status} {slug}</code></p><p>{advice}</p>
"""


@router.get("/problems/{slug}", include_in_schema=False, response_class=HTMLResponse)
@public("documentation of answers, the same for everybody", produces=("text/html",))
async def show_problem(slug: str, request: Request) -> HTMLResponse:
    """Explain one kind of problem."""
    kind = problems.KINDS.get(slug)
    if kind is None:
        raise NotFoundError("There is no such kind of problem.")
    japanese = problems.prefers_japanese(request.scope)
    title, advice = (kind.title_ja, kind.advice_ja) if japanese else (kind.title, kind.advice)
    lang = "ja" if japanese else "en"
    page = _PAGE.format(lang=lang, title=escape(title), status=kind.status, slug=slug, advice=escape(advice))
    headers = {
        "Cache-Control": "public, max-age=3600",
        "Content-Language": lang,
        "Content-Security-Policy": _CSP,
        "Vary": "Accept-Language",
    }
    return HTMLResponse(page, headers=headers)
