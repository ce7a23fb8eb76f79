"""Texts of the daily report in English and Spanish."""

# ruff: noqa: E501  (prose, one sentence a line)
from collections.abc import Callable
from typing import Any, Final

from forex_assets.report.formats import Language

Say = Callable[..., str]
"""`say("key", name=value)`: a key's text in the report's language, its fields filled."""

_TEXTS: Final[dict[str, tuple[str, str]]] = {
    "title": ("The dollar in Chile", "El dólar en Chile"),
    "sample": (
        "SAMPLE DATA, not market prices: all figures on this page come from a generated market.",
        "SAMPLE DATA, not market prices: datos generados, no son precios de mercado. Todas las cifras de esta página vienen de un mercado simulado.",
    ),
    # The sentence at the top.
    "now": (
        "The dollar is at {price} pesos ({changes}).",
        "El dólar está en {price} pesos ({changes}).",
    ),
    "change_day": ("{change} on the day", "{change} en el día"),
    "change_month": ("{change} in a month", "{change} en un mes"),
    "change_week": ("{change} in a week", "{change} en una semana"),
    "change_none": ("no earlier price", "sin precio anterior"),
    "change_year": ("{change} in a year", "{change} en un año"),
    "ahead": (
        "On {day} it will be between {low} and {high} in 8 of 10 cases; the chance that it is above {level} that day is {chance}.",
        "El {day} estará entre {low} y {high} en 8 de cada 10 casos; la probabilidad de que supere {level} ese día es de {chance}.",
    ),
    "provisional": (
        "The price is provisional: the session has not closed, and its final value may differ.",
        "El precio es provisorio: la sesión no ha cerrado y su valor final puede ser otro.",
    ),
    "origin": (
        "Starting point: {kind} of {day}, {hours} h old when issued.",
        "Punto de partida: {kind} del {day}, {hours} h de antigüedad al emitirse.",
    ),
    "origin_last price": ("last price", "último precio"),
    "origin_dólar observado": ("dólar observado", "dólar observado"),
    "origin_open of the unfinished bar": ("opening price", "precio de apertura"),
    "origin_finished bar": ("last closing price", "último cierre"),
    "age_0": ("current", "al día"),
    "age_1": ("one trading day old", "con un día hábil de antigüedad"),
    "age_n": ("{n} trading days old", "con {n} días hábiles de antigüedad"),
    # First page.
    "range": ("Where the dollar may go", "Hacia dónde puede ir el dólar"),
    "history": ("price", "precio"),
    "median": ("median", "mediana"),
    "band_50": ("1 of 2", "1 de cada 2"),
    "band_80": ("8 of 10", "8 de cada 10"),
    "band_95": ("19 of 20", "19 de cada 20"),
    "meeting": ("monetary policy meeting", "reunión de política monetaria"),
    "date": ("date", "fecha"),
    "days": ("{n} days", "{n} días"),
    "levels": ("Chances by level", "Probabilidades por nivel"),
    "level": ("level, pesos", "nivel, pesos"),
    "levels_words": (
        "First figure: chance of closing above the level on that date. Second: chance that some daily close reaches it before.",
        "Primera cifra: probabilidad de cerrar sobre el nivel en esa fecha. Segunda: probabilidad de que algún cierre diario lo alcance antes.",
    ),
    "held": ("Did earlier ranges hold?", "¿Se cumplieron los rangos anteriores?"),
    "held_in80": (
        "The range of {issued} for {session} said {low} to {high} for 8 of 10. It came to {close}: inside.",
        "El rango del {issued} para el {session} decía {low} a {high} en 8 de cada 10 casos. Cerró en {close}: dentro.",
    ),
    "held_in95": (
        "The range of {issued} for {session} said {low} to {high} for 8 of 10. It came to {close}: outside it, inside the range for 19 of 20 ({low95} to {high95}).",
        "El rango del {issued} para el {session} decía {low} a {high} en 8 de cada 10 casos. Cerró en {close}: fuera de él, dentro del rango de 19 de cada 20 ({low95} a {high95}).",
    ),
    "held_out": (
        "The range of {issued} for {session} said {low95} to {high95} for 19 of 20. It came to {close}: outside.",
        "El rango del {issued} para el {session} decía {low95} a {high95} en 19 de cada 20 casos. Cerró en {close}: fuera.",
    ),
    "held_none": (
        "No earlier forecast can be checked yet.",
        "Todavía no hay un pronóstico anterior que se pueda comprobar.",
    ),
    "observado": ("Dólar observado", "Dólar observado"),
    "observado_last": ("The one of {day}: {value} pesos.", "El del {day}: {value} pesos."),
    "observado_next": (
        "The one of {day} is expected between {low} and {high} in 8 of 10 cases.",
        "El del {day} se espera entre {low} y {high} en 8 de cada 10 casos.",
    ),
    "observado_none": (
        "No published value is stored.",
        "No hay un valor publicado en los datos.",
    ),
    "copper": ("Copper", "Cobre"),
    "copper_words": (
        "{price} dollars a pound on {day} ({changes}).",
        "{price} dólares por libra el {day} ({changes}).",
    ),
    "copper_old": (
        "The price is {age} trading days old.",
        "El precio tiene {age} días hábiles de antigüedad.",
    ),
    "copper_correlation": (
        "Over 90 trading days, the daily moves of copper and of the dollar had a correlation of {value}.",
        "En 90 días hábiles, los movimientos diarios del cobre y del dólar tuvieron una correlación de {value}.",
    ),
    "drivers_words": ("Also on {day}: {parts}.", "Además, el {day}: {parts}."),
    "driver_dollar_index": ("dollar index {value} ({changes})", "índice dólar {value} ({changes})"),
    "driver_brl_per_usd": (
        "Brazilian real {value} per dollar ({changes})",
        "real brasileño {value} por dólar ({changes})",
    ),
    "copper_none": (
        "No copper price is available; the forecast does not need it.",
        "No hay precio del cobre; el pronóstico no lo necesita.",
    ),
    "meetings": ("Policy meetings ahead", "Próximas reuniones de política monetaria"),
    "meetings_words": (
        "{days}. The session after one is livelier, by about 1.4 times in 2015–2023; the range does not know it.",
        "{days}. La sesión siguiente es más movida, unas 1,4 veces en 2015–2023; el rango no lo considera.",
    ),
    "meetings_none": ("None falls in this period.", "Ninguna cae en este período."),
    "meetings_unlisted": (
        "No meetings of {years} are known here: somebody must add the Banco Central's dates to the file "
        "configs/events.yaml.",
        "No se conocen las reuniones de {years}: falta agregar las fechas del Banco Central al archivo "
        "configs/events.yaml.",
    ),
    "and": (" and ", " y "),
    "exposure": ("Your flows", "Sus flujos"),
    "exposure_words": (
        "All together, in millions of pesos: {median} at the median, {bad} in the bad case (1 of 20), {good} in the good one.",
        "En conjunto, en millones de pesos: {median} en la mediana, {bad} en el caso malo (1 de cada 20), {good} en el bueno.",
    ),
    # Second page.
    "record": ("How good were earlier forecasts?", "¿Qué tan buenos fueron los pronósticos anteriores?"),
    "record_words": (
        "A range for 8 of 10 should have held 80% of the time. The typical error is the root mean square, in pesos, beside that of assuming no change.",
        "Un rango de 8 de cada 10 debió cumplirse el 80 % de las veces. El error típico es la raíz del error cuadrático medio, en pesos, junto al de suponer que nada cambia.",
    ),
    "horizon": ("term", "plazo"),
    "origin_of_record": ("made from", "hechos con"),
    "forecasts": ("forecasts", "pronósticos"),
    "held_80": ("8 of 10 held", "8 de cada 10 se cumplió"),
    "held_95": ("19 of 20 held", "19 de cada 20 se cumplió"),
    "error": ("typical error", "error típico"),
    "error_walk": ("if no change", "si nada cambia"),
    "against": ("range against recent volatility", "rango frente a la volatilidad reciente"),
    "record_ledger": ("issued live", "emitidos en vivo"),
    "record_replay": ("issued at a past clock", "emitidos con fecha pasada"),
    "record_backtest": ("past test dates", "fechas de prueba pasadas"),
    "record_none": ("No earlier forecast has come true yet.", "Todavía no se cumple la fecha de ningún pronóstico."),
    "better": ("better by {gain}", "mejor en {gain}"),
    "worse": ("worse by {gain}", "peor en {gain}"),
    "same": ("no clear difference", "sin diferencia clara"),
    "settings": ("Model and settings", "Modelo y configuración"),
    "model_words": (
        "{term}: model {model}; {bands}.",
        "{term}: modelo {model}; {bands}.",
    ),
    "model_embedded": ("built in (a small Chronos-T5)", "incluido (un Chronos-T5 pequeño)"),
    "embedded_bands": (
        "Up to 30 days the built-in model's range adds nothing to recent volatility.",
        "Hasta 30 días, el rango del modelo incluido no agrega nada a la volatilidad reciente.",
    ),
    "model_ewma": ("recent volatility (EWMA)", "volatilidad reciente (EWMA)"),
    "generated": ("generated data", "datos generados"),
    "bands_corrected": ("range corrected by {errors} past errors", "rango corregido con {errors} errores pasados"),
    "bands_own": ("range not corrected yet", "rango aún sin corregir"),
    "loop": ("Automatic tuning", "Ajuste automático"),
    "searched": (
        "{term}: on {day}, {settings} on {n} past dates: {choice}.",
        "{term}: el {day} {settings} en {n} fechas pasadas: {choice}.",
    ),
    "settings_one": ("only the current settings were tested", "solo se probó la configuración vigente"),
    "settings_many": ("{count} settings were compared", "se compararon {count} configuraciones"),
    "chosen": ("another one looked better by {gain}", "otra se vio mejor en {gain}"),
    "kept": ("none was clearly better", "ninguna fue claramente mejor"),
    "verdict": ("Check on later dates: {verdict}.", "Comprobación en fechas posteriores: {verdict}."),
    "approved": ("approved", "aprobada"),
    "rejected": ("rejected", "rechazada"),
    "inconclusive": (
        "not conclusive, the current settings stay",
        "no concluyente, se mantiene la configuración vigente",
    ),
    "changed": ("Last change on {day}: {kind}, {state}.", "Último cambio el {day}: {kind}, {state}."),
    "deploy": ("new settings", "configuración nueva"),
    "rollback": ("return to the earlier settings", "reversión a la configuración anterior"),
    "state_deployed": ("in force", "vigente"),
    "state_unchanged": ("in force already", "ya vigente"),
    "state_refused": ("refused", "rechazado"),
    "state_failed": ("failed", "falló"),
    "replayed": (
        "{term}: replayed from {first} to {last}, tuning by the calibrated rules made {count} changes of settings; the "
        "forecasts were {effect} those of never tuning.",
        "{term}: repetido desde el {first} hasta el {last}, el ajuste por las reglas calibradas hizo {count} cambios de "
        "configuración; los pronósticos fueron {effect} los de nunca ajustar.",
    ),
    "replay_better": ("better by {gain} than", "mejores en {gain} que"),
    "replay_worse": ("worse by {gain} than", "peores en {gain} que"),
    "replay_same": ("not clearly different from", "no claramente distintos de"),
    "loop_quiet": (
        "{terms}: never searched; the settings are those of the start.",
        "{terms}: nunca se ha buscado; la configuración es la inicial.",
    ),
    "due": ("{term}: a search is due ({rules}).", "{term}: corresponde una búsqueda ({rules})."),
    "age_rule": ("age", "antigüedad"),
    "degradation": ("larger errors", "errores mayores"),
    "drift_rule": ("changed market", "mercado cambiado"),
    "manual": ("asked for", "solicitada"),
    "drift_none": (
        "The market of the last weeks resembles that of the years before.",
        "El mercado de las últimas semanas se parece al de los años anteriores.",
    ),
    "drift_some": (
        "The market has changed: {series} more unusual than in {percentile} of its history.",
        "El mercado ha cambiado: {series} más inusual que en el {percentile} de su historia.",
    ),
    "drift_unknown": ("Changes of the market were not checked.", "No se revisaron cambios del mercado."),
    "series_usdclp": ("the dollar is", "el dólar está"),
    "series_copper": ("copper is", "el cobre está"),
    "data": ("Age of the data", "Antigüedad de los datos"),
    "data_usdclp": ("Dollar: {age}, {source}.", "Dólar: {age}, {source}."),
    "data_copper": ("Copper: {age}, {source}.", "Cobre: {age}, {source}."),
    "faults": ("Left out, since it cannot be read:", "Queda fuera porque no se puede leer:"),
    "limits": ("Limits", "Límites"),
    "limit_walk": (
        "Nobody predicts the peso's direction regularly at these terms (Meese and Rogoff 1983, Rossi 2013). The median is not a bet; the range is what can be measured.",
        "Nadie predice con regularidad la dirección del peso en estos plazos (Meese y Rogoff 1983, Rossi 2013). La mediana no es una apuesta; lo que se puede medir es el rango.",
    ),
    "limit_band": (
        "A range for 19 of 20 is missed one time in twenty, and more often in the first weeks of a crisis.",
        "Un rango de 19 de cada 20 falla una de cada veinte veces, y más a menudo en las primeras semanas de una crisis.",
    ),
    "limit_source": (
        "Free prices of the peso are noisy: single days are off by more than 1%.",
        "Los precios gratuitos del peso tienen ruido: algunos días se desvían en más de 1 %.",
    ),
    "limit_advice": (
        "This page is information, not advice to trade.",
        "Esta página es información, no una recomendación de inversión.",
    ),
    "missing": ("Not there yet.", "Aún no existe."),
    "foot": ("Made on {when}, Santiago.", "Hecho el {when}, hora de Santiago."),
}


def speaker(language: Language) -> Say:
    """Returns the function that gives texts by key in one language.

    Raises:
        KeyError: (from that function) no such key.
    """
    place = 0 if language == "en" else 1

    def say(key: str, **filled: Any) -> str:
        return _TEXTS[key][place].format(**filled)

    return say
