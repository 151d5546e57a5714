from collections.abc import AsyncIterator

import pytest

from tests.contract.under import FORMS, Under, real, simulated


@pytest.fixture(params=FORMS)
async def under(request: pytest.FixtureRequest) -> AsyncIterator[Under]:
    opened = real() if request.param == "real device" else simulated(FORMS[request.param])
    async with opened as under:
        yield under
