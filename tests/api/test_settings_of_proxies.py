"""Networks that an operator cannot have meant are refused at the start."""

import pytest
from pydantic import ValidationError

from app.settings import Settings


@pytest.mark.parametrize("networks", ["0.0.0.0/0", "::/0", "::ffff:10.0.0.0/104", "10.0.0.0/8,0.0.0.0/0"])
def test_not_everybody_is_a_trusted_proxy(networks: str):
    with pytest.raises(ValidationError):
        Settings(trusted_proxies=networks)


def test_real_networks_of_proxies_are_taken():
    taken = Settings(trusted_proxies="10.0.0.0/8, 2001:db8::/48")
    assert [str(network) for network in taken.trusted_proxies] == ["10.0.0.0/8", "2001:db8::/48"]
