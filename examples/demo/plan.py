"""What is played and what must come of it: literal ids, endings and counts, taken from the files by hand.

Nothing here is computed from an answer of Baton: where a number differs, one of the two is wrong and the demo fails.
"""

from dataclasses import dataclass

PROGRAM = "smb-inside-sales"
HERO = "A-00001"
"""The first line of vendor A's file; its temperature is missing, and vendor B knows the same company."""

# Vendor A's file: 125 lines. Faulty: one that is no JSON, and the last three.
A_LINES = 125
A_FAULTY = {
    "A-BAD-TEMP": "/context/temperature",
    "A-NO-BASIS": "/provenance/basis",
    "A-BAD-NUMBER": "/company/corporate_number",
}
A_FAULTY_ROWS = {
    63: "/problems/malformed-body",
    123: "/context/temperature",
    124: "/provenance/basis",
    125: "/company/corporate_number",
}
"""What is wrong with the rows that are not taken, by their place in the file."""
A_ONE_BY_ONE = ("A-00001", "A-00002", "A-00003")
A_CREATED, A_SAME = 118, 3
# Vendor B's file: 100 rows. Faulty: B-00034, whose e-mail is none.
B_ROWS = 100
B_FAULTY_ROWS = {35: "/contact/email"}
"""B-00034, below the header."""
B_FIRST = "B-00026"
"""(株)武蔵台運輸: B posts it before A does; A's file has the same company as A-00066 株式会社武蔵台運輸."""
A_SECOND = "A-00066"
B_CREATED, B_SAME = 98, 1

B_ALSO_A = frozenset(
    {
        *("B-00007", "B-00011", "B-00013", "B-00015", "B-00022", "B-00026", "B-00029", "B-00034", "B-00035"),
        *("B-00043", "B-00044", "B-00050", "B-00052", "B-00056", "B-00057", "B-00068", "B-00069", "B-00079"),
        *("B-00087", "B-00093", "B-00095"),
    }
)
"""21 rows of B name 20 companies that are also in A's file; one of them is faulty, and of one B was first."""
TURNED_AWAY = {"Vendor A": {A_SECOND}, "Vendor B": set(B_ALSO_A - {"B-00034", B_FIRST})}
A_HELD, A_TURNED_AWAY = 120, 1
B_HELD, B_TURNED_AWAY = 80, 19
LEADS = 220
SAME_COMPANY = ("A-00041", "A-00041-DUP")
"""Two contacts at one company of vendor A: the second joins the first one's claim."""
B_OF_HERO = "B-00043"
"""The hero's company as vendor B spells it: 株式会社八雲台ネットワｰクス."""

CALL_TURNS = ("connected", "no_answer", "gatekeeper_blocked", "no_answer", "voicemail")
"""What comes of the first calls to the leads that no appointment is made with, in turn."""
COLD_CALLS = {"calls": 312, "connected": 41}
"""Vendor A's calls to numbers that became no lead: totals of the day, never per caller."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What becomes of a lead that was handed over.

    `met`: the meeting was held. `negotiated`: it then entered negotiation. Without `result` there is interim feedback.
    """

    lead: str
    met: bool = True
    negotiated: bool = False
    result: str | None = None
    reason: str = ""
    note: str = ""
    amount: str = ""


A_HANDED = (
    Ending(HERO, True, True, "won", "partner_introduction", amount="1200000"),
    Ending("A-00010", True, True, "won", "feature_fit", amount="860000"),
    Ending("A-00048", True, True, "won", "speed", amount="2400000"),
    Ending("A-00098", True, True, "won", "timing", amount="540000"),
    Ending("A-00005", True, True, "lost", "price", "初年度費用が予算の二倍でした"),
    Ending("A-00011", True, True, "lost", "competitor", "既存取引先の後継製品に決定"),
    Ending("A-00018", True, True, "lost", "no_decision", "稟議が上がらないまま年度末"),
    Ending("A-00019", True, True, "lost", "timing", "基幹刷新の後に再検討"),
    Ending("A-00029", True, False, "lost", "incumbent_or_inhouse", "自社開発を継続"),
    Ending("A-00036", True, False, "lost", "budget", "今期の予算は執行済み"),
    Ending("A-00022", True, True, "pending", "timing", "来期の予算化を待つ"),
    Ending("A-00034", True, True, "pending", "customer_resources", "担当者の着任待ち"),
    Ending("A-00065", True, False, "pending", "budget", "補助金の採択待ち"),
    Ending("A-00075", True, False, "disqualified", "no_authority", "決裁は親会社"),
    Ending("A-00033"),
    Ending("A-00062"),
    Ending("A-00082"),
    Ending("A-00111"),
)
A_REJECTED = "A-00054"
A_NO_SHOW = "A-00013"
"""The customer did not come: handed back to the vendor, who keeps it warm and closes it as pending."""
B_HANDED = (
    Ending("B-00001", True, True, "won", "trust_reference", amount="980000"),
    Ending("B-00053", True, True, "won", "price", amount="1500000"),
    Ending("B-00018", True, True, "lost", "missing_feature", "電話システムと連携できない"),
    Ending("B-00021", True, True, "lost", "price", "三年総額で競合が下"),
    Ending("B-00024", True, False, "lost", "poor_fit", "二名の営業には過剰"),
    Ending("B-00033", True, False, "lost", "legal_security", "海外データセンターは不可"),
    Ending("B-00045", True, True, "pending", "no_decision_maker", "新社長の着任後"),
    Ending("B-00042", False, False, "disqualified", "unable_to_reach", "三度の連絡に応答なし"),
    Ending("B-00058"),
    Ending("B-00064"),
    Ending("B-00070"),
)
B_REJECTED = "B-00023"
B_IGNORED = "B-00099"
B_INCOMPLETE = "B-00005"
"""Its row has no temperature: the handover is refused, the lead stays with vendor B."""
B_ASKED = "B-00053"
"""Returned with a question, like the hero."""

HANDED_OVER = 32  # 20 of A, 12 of B; one more later, which is ignored
PULLED = 30


STILL_OWED = 8
"""Outcomes not yet due at the end: of the seven leads with interim feedback and of the one that was ignored first."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The funnel of one vendor. Every lead gets one first call; each appointment made is one call of them.

    Rates are numerator/denominator: held of the appointments whose time has come, qualified of held, won of decided.
    """

    calls: int
    connected: int
    leads: int
    appointments: int
    meetings_held: int
    qualified: int
    won: int
    lost: int
    pending: int
    amount_won: str
    show: str
    qualified_rate: str
    win: str


# A: 120 first calls + 312 others; connected: 20 appointments + 20 of 100 in turn + 41 others.
A_FIGURES = Figures(432, 81, 120, 20, 18, 10, 4, 6, 4, "5000000", "18/20", "10/18", "4/10")
# B: 80 first calls; connected: 13 appointments + 14 of 67 in turn.
B_FIGURES = Figures(80, 27, 80, 13, 10, 5, 2, 4, 1, "2480000", "10/12", "5/10", "2/6")
A_CLOSURES = {"won": 4, "lost": 6, "pending": 4, "disqualified": 1}
B_CLOSURES = {"won": 2, "lost": 4, "pending": 1, "disqualified": 1}
