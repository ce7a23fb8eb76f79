"""One file of certificates is trusted by every source."""

import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import trustme

from forex_assets.core.holidays import market_calendar
from forex_assets.market.prices import USDCLP, PriceSource, SourceError
from forex_assets.market.sources.central_bank import CentralBankSource
from forex_assets.market.sources.fred import FredMonthly
from forex_assets.market.sources.mindicador import MindicadorSource
from forex_assets.market.sources.yahoo import YahooSource
from forex_assets_tests.market.market_server import PASSWORD, USER, MarketServer, serving, weekdays

DAYS = weekdays(date(2024, 2, 1), date(2024, 3, 1))
CLP = market_calendar("CLP")
COMPANY = trustme.CA()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    COMPANY.issue_cert("127.0.0.1").configure_cert(tls)
    content = MarketServer(
        bars={"CLP=X": [(day, 900.0, 900.0) for day in DAYS]},
        monthly={date(2023, 1, 1): 8000.0},
        observed=[(day, "900.5", "OK") for day in DAYS],
        indicators={"dolar": ("Pesos", dict.fromkeys(DAYS, 900.5))},
    )
    with serving(content, tls) as server:
        yield server.url


def fetch(name: str, url: str, ca_file: Path | None = None) -> int:
    limits = {"attempts": 1, "ca_file": ca_file}
    source: PriceSource = {
        "yahoo": lambda: YahooSource(USDCLP, "CLP=X", url, CLP, **limits),
        "bank": lambda: CentralBankSource(USER, PASSWORD, url, CLP, **limits),
        "fred": lambda: FredMonthly(api_key="key", root_url=f"{url}/fred", **limits),
        "mindicador": lambda: MindicadorSource(f"{url}/mindicador", CLP, **limits),
    }[name]()
    return source.fetch(date(2024, 1, 2) if name != "fred" else None, datetime(2024, 3, 1, 22, tzinfo=UTC)).height


@pytest.mark.parametrize("name", ["yahoo", "bank", "fred", "mindicador"])
def test_one_name_makes_a_source_trust_a_companys_certificates(
    name: str, url: str, tmp_path: Path, environment: Callable[..., None]
) -> None:
    file = tmp_path / "company.pem"
    COMPANY.cert_pem.write_to_path(str(file))
    with pytest.raises(SourceError, match="certificate is not trusted; set FOREX_CA_FILE"):
        fetch(name, url)
    assert fetch(name, url, file) > 0
    environment(FOREX_CA_FILE=str(file))
    assert fetch(name, url) > 0
    environment(FOREX_CA_FILE=str(tmp_path / "missing.pem"))
    with pytest.raises(SourceError, match=r"FOREX_CA_FILE=.*missing.pem is no file"):
        fetch(name, url)
