"""The one table from refusal to HTTP status, and the problem documents of RFC 9457 that it gives.

Nothing else in Baton names a status of a refusal. A document never carries SQL, another party's ids or the caller's
input; its `type` resolves to a page (problem_pages.py).
"""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from pydantic_core import to_json
from starlette.responses import Response

from app.domain.errors import BatonError, InsufficientScopeError, UnauthenticatedError
from app.routers.refusals import HttpRefusalError

MEDIA_TYPE: Final = "application/problem+json; charset=utf-8"
REQUEST_ID_KEY: Final = "baton.request_id"  # where the ASGI scope keeps it


@dataclass(frozen=True, slots=True)
class Kind:
    """One class of problem: its status, its title, and what its page tells a developer to do."""

    status: int
    title: str
    title_ja: str
    advice: str
    advice_ja: str


KINDS: Final[Mapping[str, Kind]] = {
    "malformed-body": Kind(
        400,
        "The body is not strict JSON",
        "本文が正しい JSON ではありません",
        "Send UTF-8 JSON without NaN, NUL characters, duplicate keys, lone surrogates or more than 32 nested levels.",
        "UTF-8 の JSON を送ってください。NaN、NUL 文字、重複キー、不正なサロゲート、32 段を超える入れ子は使えません。",
    ),
    "invalid-request": Kind(
        400,
        "The request is ill-formed",
        "リクエストの形式が正しくありません",
        "Send one credential, in the Authorization header, and headers of the documented form.",
        "認証情報は Authorization ヘッダーに一つだけ入れ、各ヘッダーを仕様どおりの形式にしてください。",
    ),
    "invalid-cursor": Kind(
        400,
        "The cursor is not valid",
        "カーソルが無効です",
        "Use a cursor as it was given, with the same client and filters; where it is too old, start anew with "
        "updated_since.",
        "カーソルは発行時と同じクライアントと絞り込み条件で、そのまま使ってください。"
        "古い場合は updated_since でやり直せます。",
    ),
    "unauthenticated": Kind(
        401,
        "A valid access token is needed",
        "有効なアクセストークンが必要です",
        "Get a token from /oauth/token and send it as Authorization: Bearer. Tokens live for ten minutes.",
        "/oauth/token でトークンを取得し、Authorization: Bearer で送ってください。有効期間は 10 分です。",
    ),
    "insufficient-scope": Kind(
        403,
        "The token lacks a scope",
        "トークンのスコープが不足しています",
        "Ask for the scope named in the answer when you get the token; your administrator grants it to the client.",
        "応答に示されたスコープを付けてトークンを取得してください。付与は管理者が行います。",
    ),
    "not-permitted": Kind(
        403,
        "The rules do not permit this",
        "この操作は許可されていません",
        "The playbook, or the role of the client, does not allow this now; `playbook` names the rule. "
        "GET /v1/leads/{id}/actions lists what is allowed.",
        "プレイブックまたはクライアントのロールにより許可されていません。`playbook` に該当ルールがあります。"
        "GET /v1/leads/{id}/actions で可能な操作を確認できます。",
    ),
    "not-owner": Kind(
        403,
        "Only the accountable owner may do this",
        "現在の担当者だけが行えます",
        "Take the lead over first, by accepting a handover, or ask its owner.",
        "引き継ぎを受け入れて担当になるか、現在の担当者に依頼してください。",
    ),
    "partner-suspended": Kind(
        403,
        "The organisation is suspended",
        "組織が停止されています",
        "Speak to the administrator of the client company.",
        "発注企業の管理者に連絡してください。",
    ),
    "not-found": Kind(
        404,
        "There is nothing here that you may see",
        "該当するものが見つかりません",
        "The id is unknown, or belongs to somebody else; the answer is the same on purpose.",
        "ID が存在しないか、閲覧権限がありません。どちらの場合も同じ応答になります。",
    ),
    "method-not-allowed": Kind(
        405,
        "The method is not defined here",
        "このメソッドは使えません",
        "The Allow header lists the methods of this path.",
        "使えるメソッドは Allow ヘッダーを見てください。",
    ),
    "not-acceptable": Kind(
        406,
        "No acceptable media type",
        "受け入れ可能な形式がありません",
        "Accept one of the media types in `produces`.",
        "`produces` にある形式のいずれかを Accept に指定してください。",
    ),
    "request-timeout": Kind(
        408,
        "The body did not arrive in time",
        "本文が時間内に届きませんでした",
        "Send the whole body within 10 seconds, a stream without a pause of 10 seconds; then send the request again.",
        "本文は 10 秒以内に送り終えてください。ストリームでは 10 秒以上途切れないようにし、もう一度送ってください。",
    ),
    "conflict": Kind(
        409,
        "The state of the object does not allow this",
        "現在の状態では行えません",
        "Read the object again and decide anew.",
        "最新の状態を取得してから、もう一度判断してください。",
    ),
    "external-id-in-use": Kind(
        409,
        "The external id names another body",
        "この external_id は別の内容で使われています",
        "Change the existing object with PATCH, or use another external id.",
        "既存のデータを PATCH で変更するか、別の external_id を使ってください。",
    ),
    "idempotency-key-in-flight": Kind(
        409,
        "A request with this key is still running",
        "同じキーのリクエストを処理中です",
        "Wait as long as Retry-After says and send the same request again; you will get the first one's answer.",
        "Retry-After の時間だけ待ってから同じリクエストを送ると、最初の応答が返ります。",
    ),
    "lead-not-open": Kind(
        409,
        "The lead is not open",
        "リードが進行中ではありません",
        "It is still being adjudicated, was not accepted, or is closed. Notes, activities and PATCH are taken while it "
        "is `received`.",
        "判定中、不受理、または終了済みです。`received` の間もメモ、活動、PATCH は受け付けます。",
    ),
    "handover-pending": Kind(
        409,
        "The lead already has a pending handover",
        "回答待ちの引き継ぎがあります",
        "Wait for its answer, or withdraw it first.",
        "回答を待つか、先に取り下げてください。",
    ),
    "handover-not-pending": Kind(
        409,
        "The handover is not waiting for this",
        "この引き継ぎは該当の段階にありません",
        "It has been decided, or waits for the other side; read it again.",
        "すでに決定済みか、相手側の対応待ちです。最新の状態を取得してください。",
    ),
    "consultation-not-open": Kind(
        409,
        "The consultation is over",
        "相談はすでに終了しています",
        "It has been answered, declined or withdrawn; read it, and ask anew if you still need to know.",
        "回答済み・辞退済み・取り下げ済みのいずれかです。内容を確認し、必要なら改めて相談してください。",
    ),
    "outcome-exists": Kind(
        409,
        "The lead already has an outcome",
        "結果はすでに登録されています",
        "Correct it with POST /v1/outcomes/{id}/correct, or reopen a pending lead first.",
        "POST /v1/outcomes/{id}/correct で訂正するか、保留中のリードを再開してください。",
    ),
    "obligation-open": Kind(
        409,
        "What is owed has not been done",
        "対応すべき事項が残っています",
        "Do it, reassign it, or ask the side that it is owed to to waive it.",
        "対応するか、担当を移すか、相手側に免除してもらってください。",
    ),
    "playbook-not-agreed": Kind(
        409,
        "No agreed playbook is in force",
        "合意済みのプレイブックがありません",
        "Both organisations must agree to a version: POST /v1/playbooks/{id}/agree.",
        "双方の組織が POST /v1/playbooks/{id}/agree で同じ版に合意する必要があります。",
    ),
    "stale-version": Kind(
        412,
        "The version is stale",
        "版が古くなっています",
        "Read the object again and send its ETag in If-Match, quoted and not weak.",
        "最新の状態を取得し、その ETag を引用符付き・弱い形式でないまま If-Match に入れてください。",
    ),
    "payload-too-large": Kind(
        413,
        "The body is too large",
        "本文が大きすぎます",
        "Stay under `max_bytes`; send many leads through POST /v1/lead-imports.",
        "`max_bytes` 以内にしてください。多数のリードは POST /v1/lead-imports で送れます。",
    ),
    "uri-too-long": Kind(
        414,
        "The address is too long",
        "URL が長すぎます",
        "Shorten the query; a cursor replaces the filters it was made with.",
        "クエリを短くしてください。",
    ),
    "unsupported-media-type": Kind(
        415,
        "The media type is not taken here",
        "この形式の本文は受け付けていません",
        "Send a media type of Accept-Post or Accept-Patch, in UTF-8, uncompressed.",
        "Accept-Post または Accept-Patch にある形式を、UTF-8・非圧縮で送ってください。",
    ),
    "validation-failed": Kind(
        422,
        "Some fields are not valid",
        "入力内容に誤りがあります",
        "Each entry of `errors` points at one field and names what is wrong with it.",
        "`errors` の各項目が、対象の項目と誤りの種類を示します。",
    ),
    "idempotency-key-reused": Kind(
        422,
        "The key was used for another request",
        "キーが別のリクエストで使われています",
        "Make a new Idempotency-Key for each new request; keep it only to repeat the very same one.",
        "新しいリクエストごとに新しい Idempotency-Key を作ってください。",
    ),
    "stage-refused": Kind(
        422,
        "The lead may not change to that stage yet",
        "まだその段階へ進めません",
        "`missing` lists what must be known first, `playbook` the rule that says so.",
        "`missing` に不足事項、`playbook` に根拠となるルールがあります。",
    ),
    "handover-incomplete": Kind(
        422,
        "The receiver would miss something",
        "引き継ぎ内容が不足しています",
        "`missing` lists what the receiver must know; add it and hand over again.",
        "`missing` の項目を補ってから、もう一度引き継いでください。",
    ),
    "reason-not-allowed": Kind(
        422,
        "The reason is not listed here",
        "この理由は使えません",
        "Use a reason that the playbook lists for this decision; `other` needs a note.",
        "プレイブックにある理由を使ってください。`other` には説明が必要です。",
    ),
    "playbook-invalid": Kind(
        422,
        "The playbook breaks a rule of the language",
        "プレイブックに誤りがあります",
        "Each entry of `errors` names the place and the rule; POST /v1/playbooks/lint checks without storing.",
        "`errors` に箇所とルールがあります。POST /v1/playbooks/lint で保存せずに確認できます。",
    ),
    "url-refused": Kind(
        422,
        "Baton does not send to that address",
        "この宛先には送信できません",
        "Use a public https address without credentials and on a usual port.",
        "認証情報を含まない、公開された https の宛先を指定してください。",
    ),
    "precondition-required": Kind(
        428,
        "If-Match is needed",
        "If-Match が必要です",
        "Read the object and send its ETag in If-Match, so that no other change is overwritten unseen.",
        "取得した ETag を If-Match に入れてください。他の変更を気付かずに上書きするのを防ぎます。",
    ),
    "rate-limited": Kind(
        429,
        "Too many requests",
        "リクエストが多すぎます",
        "Wait as long as Retry-After says and spread requests out. RateLimit shows what is left, RateLimit-Policy how "
        "many requests a minute the client may send; an administrator can raise that for the client.",
        "Retry-After の時間だけ待ち、送信間隔を空けてください。残りは RateLimit、1 分あたりの上限は RateLimit-Policy に"
        "示されます。上限は管理者がクライアントごとに引き上げられます。",
    ),
    "headers-too-large": Kind(
        431,
        "The headers are too large",
        "ヘッダーが大きすぎます",
        "Send fewer or shorter headers.",
        "ヘッダーを減らすか短くしてください。",
    ),
    "internal": Kind(
        500,
        "Something went wrong in Baton",
        "Baton の内部で問題が発生しました",
        "Send the request again, a POST with the same Idempotency-Key; if it stays, report the request_id.",
        "再送してください。POST は同じ Idempotency-Key を使います。続く場合は request_id をお知らせください。",
    ),
    "overloaded": Kind(
        503,
        "Baton cannot take the request now",
        "現在リクエストを受け付けられません",
        "Wait as long as Retry-After says and send it again, a POST with the same Idempotency-Key.",
        "Retry-After の時間だけ待って再送してください。POST は同じ Idempotency-Key を使ってください。",
    ),
}


def render(error: BatonError, scope: MutableMapping[str, Any]) -> Response:
    """Return the problem document of `error` for the request of `scope`."""
    kind = KINDS[error.slug]
    japanese = _prefers_japanese(_accept_language(scope))
    document: dict[str, object] = {
        "type": f"/problems/{error.slug}",
        "title": kind.title_ja if japanese else kind.title,
        "status": kind.status,
        "detail": "The access token is missing or not valid." if kind.status == 401 else error.detail,
        "request_id": request_id_of(scope),
    }
    headers = _headers(error) | {"Content-Language": "ja" if japanese else "en", "Vary": "Accept-Language"}
    return Response(to_json({**document, **error.members, **document}), kind.status, headers, MEDIA_TYPE)


def request_id_of(scope: MutableMapping[str, Any]) -> str:
    """Return the id of a request; every answer carries it."""
    return scope.get(REQUEST_ID_KEY, "")


def prefers_japanese(scope: MutableMapping[str, Any]) -> bool:
    """Return whether the caller ranks Japanese above English; English where it says nothing."""
    return _prefers_japanese(_accept_language(scope))


def missing_kinds() -> list[str]:
    """Return the slugs of refusals that have no row in KINDS; must be empty before the first request."""
    found: set[str] = set()
    waiting: list[type[BatonError]] = [BatonError]
    while waiting:
        error = waiting.pop()
        waiting.extend(error.__subclasses__())
        found.update({error.slug} if "slug" in vars(error) else ())
    return sorted(found - set(KINDS))


def _headers(error: BatonError) -> dict[str, str]:
    headers: dict[str, str] = {}
    if isinstance(error, HttpRefusalError):
        headers.update(error.headers)
    elif isinstance(error, UnauthenticatedError):
        headers["WWW-Authenticate"] = 'Bearer realm="baton", error="invalid_token"'
    elif isinstance(error, InsufficientScopeError):
        scope = error.members.get("scope", "")
        headers["WWW-Authenticate"] = f'Bearer realm="baton", error="insufficient_scope", scope="{scope}"'
    if "retry_after" in error.members:
        headers["Retry-After"] = str(error.members["retry_after"])
    return headers


def _accept_language(scope: MutableMapping[str, Any]) -> bytes:
    for name, value in scope["headers"]:
        if name == b"accept-language":
            return value
    return b""


@lru_cache(maxsize=64)
def _prefers_japanese(accept_language: bytes) -> bool:
    weights = {"ja": 0.0, "en": 0.0}
    for item in accept_language.decode("latin-1").lower().split(","):
        tag, _, weight = item.partition(";q=")
        primary = tag.strip().partition("-")[0]
        if primary in weights:
            try:
                weights[primary] = max(weights[primary], float(weight or 1))
            except ValueError:
                continue
    return weights["ja"] > weights["en"]
