"""Signing against the published vector and against the reference library, in both directions."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from app.domain.signing import SignatureError, read_secret, show_secret, sign_v1, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
KEY = read_secret(SECRET)
OTHER_KEY = bytes(range(32))


def headers(**changes: str) -> dict[str, str]:
    plain = {"id": MESSAGE_ID, "timestamp": str(TIMESTAMP), "signature": SIGNATURE} | changes
    return {f"webhook-{name}": value for name, value in plain.items()}


def test_the_published_vector_is_signed_and_verified():
    assert sign_v1(KEY, MESSAGE_ID, TIMESTAMP, BODY) == SIGNATURE
    verify([KEY], headers(), BODY, TIMESTAMP)


@given(st.binary(min_size=24, max_size=64), st.binary(max_size=200).map(lambda body: body.hex().encode()))
def test_the_reference_library_verifies_ours_and_we_verify_theirs(secret, body):
    now = datetime.now(UTC).replace(microsecond=0)
    reference = Webhook(show_secret(secret))
    sent = headers(
        timestamp=str(int(now.timestamp())), signature=reference.sign("evt_1", now, body.decode()), id="evt_1"
    )
    verify([secret], sent, body, int(now.timestamp()))
    ours = sign_v1(secret, "evt_1", int(now.timestamp()), b'"%s"' % body)
    assert reference.verify(b'"%s"' % body, sent | {"webhook-signature": ours}) == body.decode()
    with pytest.raises(WebhookVerificationError):
        reference.verify(b'"%s!"' % body, sent | {"webhook-signature": ours})


def test_a_body_that_is_no_text_is_signed_byte_by_byte():
    signature = sign_v1(KEY, MESSAGE_ID, TIMESTAMP, b"\xff\x00")
    verify([KEY], headers(signature=signature), b"\xff\x00", TIMESTAMP)


def test_while_secrets_rotate_any_signature_by_any_secret_will_do():
    newer = sign_v1(OTHER_KEY, MESSAGE_ID, TIMESTAMP, BODY)
    verify([KEY], headers(signature=f"{newer} {SIGNATURE}"), BODY, TIMESTAMP)
    verify([KEY, OTHER_KEY], headers(signature=newer), BODY, TIMESTAMP)
    verify([OTHER_KEY, KEY], headers(signature=f"v1a,AAAA nonsense {SIGNATURE}"), BODY, TIMESTAMP)


def test_header_names_have_no_case():
    verify([KEY], {name.title(): value for name, value in headers().items()}, BODY, TIMESTAMP)


@pytest.mark.parametrize("offset", [-300, 300])
def test_five_minutes_either_way_are_tolerated_and_a_second_more_is_not(offset):
    verify([KEY], headers(), BODY, TIMESTAMP + offset)
    with pytest.raises(SignatureError, match="too old or too new"):
        verify([KEY], headers(), BODY, TIMESTAMP + offset + offset // 300)
    with pytest.raises(SignatureError, match="too old or too new"):
        verify([KEY], headers(), BODY, TIMESTAMP + offset, tolerance=299)


@pytest.mark.parametrize(
    ("changes", "body", "secrets"),
    [
        ({}, BODY + b" ", [KEY]),
        ({}, BODY, [OTHER_KEY]),
        ({}, BODY, []),
        ({"id": "msg_other"}, BODY, [KEY]),
        ({"id": ""}, BODY, [KEY]),
        ({"id": "é"}, BODY, [KEY]),
        ({"timestamp": str(TIMESTAMP + 1)}, BODY, [KEY]),
        ({"timestamp": ""}, BODY, [KEY]),
        ({"timestamp": "1614265330.0"}, BODY, [KEY]),
        ({"timestamp": " 1614265330"}, BODY, [KEY]),
        ({"timestamp": "١٦١٤٢٦٥٣٣٠"}, BODY, [KEY]),
        ({"timestamp": "9" * 5000}, BODY, [KEY]),
        ({"signature": ""}, BODY, [KEY]),
        ({"signature": "v1"}, BODY, [KEY]),
        ({"signature": "v1,"}, BODY, [KEY]),
        ({"signature": SIGNATURE.removeprefix("v1,")}, BODY, [KEY]),
        ({"signature": SIGNATURE.replace("v1,", "v1a,")}, BODY, [KEY]),
        ({"signature": SIGNATURE[:-5]}, BODY, [KEY]),
        ({"signature": "v1,\udcff é"}, BODY, [KEY]),
    ],
)
def test_whatever_is_wrong_is_one_error(changes, body, secrets):
    with pytest.raises(SignatureError):
        verify(secrets, headers(**changes), body, TIMESTAMP)


@given(st.dictionaries(st.sampled_from(["id", "timestamp", "signature"]), st.text()), st.binary(), st.integers())
def test_no_input_raises_another_error(changes, body, now):
    with pytest.raises(SignatureError):
        verify([OTHER_KEY], headers(**changes), body, now)


def test_an_error_does_not_tell_the_expected_signature():
    with pytest.raises(SignatureError) as refused:
        verify([KEY], headers(signature="v1,AAAA"), BODY, TIMESTAMP)
    assert SIGNATURE[3:20] not in str(refused.value)


def test_an_id_with_a_dot_cannot_move_the_seams_of_what_was_signed():
    with pytest.raises(ValueError, match="dot"):
        sign_v1(KEY, "msg.1", TIMESTAMP, BODY)
    shifted = sign_v1(KEY, "msg", TIMESTAMP, b"%d.%s" % (TIMESTAMP, BODY))
    with pytest.raises(SignatureError):
        verify([KEY], headers(id=f"msg.{TIMESTAMP}", signature=shifted), BODY, TIMESTAMP)


def test_a_secret_survives_being_shown():
    assert show_secret(KEY) == SECRET
    assert read_secret(show_secret(OTHER_KEY)) == OTHER_KEY


@pytest.mark.parametrize(
    "text",
    [
        "",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2La",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2La LaSw",
        "whsec_" + "A" * 88,
        "whsec_é",
    ],
)
def test_what_is_no_secret_is_refused_without_being_repeated(text):
    with pytest.raises(ValueError, match=r"^secret: ") as refused:
        read_secret(text)
    assert not text or text not in str(refused.value)


@pytest.mark.parametrize("size", [0, 23, 65])
def test_a_secret_of_another_size_is_not_shown(size):
    with pytest.raises(ValueError, match="24 to 64"):
        show_secret(bytes(size))
