"""When two leads name the same company: normal forms and exact keys. Never decides who wins, never compares fuzzily.

Keys are for equality only. The legal form and its position are dropped from a name, although 株式会社甲 and
甲株式会社 may be two companies; therefore a name alone is never a key, it counts only together with an equal domain
or telephone number.
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache


class KeyKind(StrEnum):
    """What two leads must share, in the order of its weight as evidence."""

    CORPORATE_NUMBER = "corporate_number"
    DOMAIN_NAME = "domain_name"
    PHONE_NAME = "phone_name"


@dataclass(frozen=True, slots=True)
class MatchKey:
    """One exact duplicate key: companies that share a key are taken for one."""

    kind: KeyKind
    value: str


# What companies register and callers type either way, and NFKC keeps apart: old and new kanji, large and small kana.
_VARIANTS = (
    "高髙 崎﨑碕嵜 斉齋斎齊 辺邉邊 浜濵濱 沢澤 広廣 国國 島嶋嶌 徳德 恵惠 真眞 富冨 槙槇 "
    "柳栁 桑桒 吉𠮷 滝瀧 竜龍 会會 学學 桜櫻 万萬 与與 宝寶寳 蔵藏 黒黑 鉄鐵 円圓 岳嶽 "
    "礼禮 清淸 青靑 渕淵渊 条條 寿壽 栄榮 弥彌 駅驛 医醫 薬藥 気氣 発發 総總 経經 済濟 "
    "産產 証證 険險 団團 売賣 豊豐 塩鹽 館舘 舗舖 曽曾 桧檜 篭籠 亜亞 実實 郷鄕 絵繪 "
    "アァ イィヰ ウゥ エェヱ オォ カヵ ケヶ ツッ ヤャ ユュ ヨョ ワヮ"
)
"""Each word is the chosen character and what is folded into it."""
_FOLD = str.maketrans({variant: word[0] for word in _VARIANTS.split() for variant in word[1:]})

# Legal forms as they read after folding. The short ones count only in brackets, as in (株), or カ) on bank transfers.
_FORMS = (
    *("株式会社", "有限会社", "合同会社", "合資会社", "合名会社", "相互会社", "特定非営利活動法人", "npo法人"),
    *("一般社団法人", "一般財団法人", "公益社団法人", "公益財団法人", "社団法人", "財団法人", "社会福祉法人"),
    *("医療法人社団", "医療法人財団", "医療法人", "学校法人", "宗教法人", "独立行政法人", "農事組合法人"),
)
_SHORT_FORMS = (
    *("株", "有", "同", "資", "名", "相", "社", "財", "医", "学", "福", "一社", "一財", "公社", "公財", "特非"),
    *("カ", "ユ", "ド", "kk", "gk", "inc", "ltd", "llc"),
)
_ENGLISH_BEFORE = ("kabushiki kaisha", "kabushiki gaisha", "godo kaisha", "yugen kaisha", "kk", "gk", "yk")
_ENGLISH_AFTER = (
    *(*_ENGLISH_BEFORE, "co ltd", "coltd", "company limited", "company", "co", "limited", "ltd", "incorporated"),
    *("inc", "corporation", "corp", "pte ltd", "pty ltd", "llc", "llp", "plc", "gmbh", "ag"),
)


def _any_of(words: tuple[str, ...]) -> str:
    return "(?:" + "|".join(sorted(words, key=len, reverse=True)) + ")"


_OPEN, _CLOSE = r"[(\[{〔【<《「]", r"[)\]}〕】>》」]"
_LEADING_FORM = re.compile(
    rf"{_any_of(_FORMS)}|{_OPEN}?(?:{_any_of(_SHORT_FORMS)}|{_any_of(_FORMS)}){_CLOSE}|{_any_of(_ENGLISH_BEFORE)}\s"
)
_TRAILING_FORM = re.compile(
    rf"(?:{_OPEN}(?:{_any_of(_SHORT_FORMS)}|{_any_of(_FORMS)}){_CLOSE}?|{_any_of(_FORMS)}|\s{_any_of(_ENGLISH_AFTER)})\Z"
)
# The long-vowel mark goes as well: サーバー and サーバ, and every dash that stands for it, are one spelling.
_NOT_NAME = re.compile(r"[\W_ー]+")

_CORPORATE_NUMBER = re.compile(r"[1-9][0-9]{12}")
_NUMBER_MARKS = re.compile(r"[\s-]")

_PHONE_LABEL = re.compile(r"\A(?:tel|phone|電話|代表)[:.\s]*")
_PHONE_TAIL = re.compile(r"(?:内線|ext|x|#|;|\(代|代表).*\Z")
_PHONE_MARKS = re.compile(r"[\s().\-/‐‑‒–—―−ー]+")
_INTERNATIONAL = re.compile(r"\+[1-9][0-9]{8,14}")
_JAPANESE = re.compile(r"0[1-9][0-9]{8,9}")

_SCHEME = re.compile(r"\A[a-z][a-z0-9+.-]*://")
_PORT = re.compile(r":[0-9]*\Z")
_PATH = re.compile(r"[/?#]")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_LONGEST_NAME = 253

# Mail providers whose domain says nothing about the company.
_FREE_MAIL = frozenset(
    {
        *("gmail.com", "googlemail.com", "yahoo.co.jp", "yahoo.com", "ymail.ne.jp", "ybb.ne.jp", "outlook.com"),
        *("outlook.jp", "hotmail.com", "hotmail.co.jp", "live.jp", "live.com", "msn.com", "icloud.com", "me.com"),
        *("mac.com", "aol.com", "docomo.ne.jp", "ezweb.ne.jp", "au.com", "softbank.ne.jp", "i.softbank.jp"),
        *("nifty.com", "biglobe.ne.jp", "ocn.ne.jp", "so-net.ne.jp", "plala.or.jp", "dion.ne.jp", "excite.co.jp"),
        *("goo.jp", "infoseek.jp", "protonmail.com", "proton.me", "gmx.com", "mail.com", "zoho.com", "qq.com"),
        *("163.com", "naver.com"),
    }
)


def corporate_number_is_valid(text: str) -> bool:
    """Return whether `text` is 13 ASCII digits of which the first is the check digit of the other twelve.

    Check digit = 9 - (sum of Pn * Qn mod 9), Q = 1 for odd and 2 for even places from the right. By this formula
    a slip between 0 and 9 passes.
    """
    if not _CORPORATE_NUMBER.fullmatch(text):
        return False
    weighted = sum(int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(text[1:])))
    return int(text[0]) == 9 - weighted % 9


def normalise_company_name(text: str) -> str:
    """Return the form of a company's name in which its spellings meet; empty where nothing but a legal form is left.

    For comparison and search, not for display: width, case, old kanji, small kana, long vowels, spaces, punctuation
    and the legal form at either end are gone.
    """
    name = _fold(text).translate(_FOLD).replace(".", "").replace(",", " ").replace("、", " ")
    name = " ".join(name.split())
    leading = _LEADING_FORM.match(name)
    if leading:
        name = name[leading.end() :].strip()
    trailing = _TRAILING_FORM.search(name)
    if trailing:
        name = name[: trailing.start()]
    return _NOT_NAME.sub("", name)


def normalise_phone(text: str) -> str | None:
    """Return a telephone number as `+` and 9 to 15 digits, or None where `text` is no plausible number.

    A number without a country code is Japanese and starts with 0. Extensions are dropped.
    """
    number = _PHONE_TAIL.sub("", _PHONE_LABEL.sub("", _fold(text).strip()))
    digits = _PHONE_MARKS.sub("", number.replace("(0)", ""))
    if digits.startswith("0081"):
        digits = "+" + digits[2:]
    if digits.startswith("+81"):
        digits = "0" + digits[3:].removeprefix("0")
    if _JAPANESE.fullmatch(digits):
        return "+81" + digits[1:]
    return digits if _INTERNATIONAL.fullmatch(digits) else None


def normalise_domain(text: str) -> str | None:
    """Return the host name in lower-case ASCII without `www.`; None for no host name, an address or free mail.

    A scheme, port and path around it are dropped. Subdomains stay.
    """
    rest = _SCHEME.sub("", _fold(text).strip())
    host = _PATH.split(rest, maxsplit=1)[0]
    host = _PORT.sub("", host).replace("。", ".").removesuffix(".")
    if len(host) > _LONGEST_NAME:
        return None
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            return None
    while host.startswith("www.") and host.count(".") > 1:
        host = host.removeprefix("www.")
    labels = host.split(".")
    if len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        return None
    return None if host in _FREE_MAIL or labels[-1].isdigit() else host


@lru_cache(maxsize=256)  # a decision asks twice: before the lead's lock and under it
def keys_of(
    corporate_number: str | None, name: str | None, domain: str | None, phone: str | None
) -> tuple[MatchKey, ...]:
    """Return the exact duplicate keys of a company, strongest first. An empty or impossible field gives no key."""
    keys: list[MatchKey] = []
    number = _NUMBER_MARKS.sub("", _fold(corporate_number or ""))
    if corporate_number_is_valid(number):
        keys.append(MatchKey(KeyKind.CORPORATE_NUMBER, number))
    plain_name = normalise_company_name(name or "")
    if plain_name:
        for kind, part in (
            (KeyKind.DOMAIN_NAME, normalise_domain(domain or "")),
            (KeyKind.PHONE_NAME, normalise_phone(phone or "")),
        ):
            if part:
                keys.append(MatchKey(kind, f"{part} {plain_name}"))
    return tuple(keys)


def _fold(text: str) -> str:
    # Case folding can undo the composition that NFKC made.
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
