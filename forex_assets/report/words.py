"""What the daily report says, in English and in Spanish. Sentences and names only; figures come from the tables."""

# ruff: noqa: E501  (prose, one sentence a line)
from collections.abc import Callable
from typing import Any, Final, Literal

Language = Literal["en", "es"]
Say = Callable[..., str]
"""`say("key", name=value)`: the text of a key in the report's language, its places filled."""

_TEXTS: Final[dict[str, tuple[str, str]]] = {
    "title": ("USD/CLP daily report", "Informe diario USD/CLP"),
    "as_of": ("As of {when}, Santiago", "Al {when}, Santiago"),
    "sample": (
        "SAMPLE DATA, not market prices: everything on this page comes from a generated market.",
        "SAMPLE DATA, not market prices: datos generados, no son precios de mercado. Todo lo de esta página viene de un "
        "mercado simulado.",
    ),
    "forecasts": ("Where the dollar may go", "Hacia dónde puede ir el dólar"),
    "forecast_of": ("{days} days: to {target}", "{days} días: al {target}"),
    "band_words": (
        "From {last} on {origin}. Half of the outcomes are expected above {median} and half below; 8 in 10 between {low80} "
        "and {high80}, 19 in 20 between {low95} and {high95}. With no change but today's volatility (the random walk) "
        "it would be {walk_low} to {walk_high}.",
        "Desde {last} el {origin}. Se espera la mitad de los resultados sobre {median} y la mitad bajo ese valor; 8 de 10 "
        "entre {low80} y {high80}, 19 de 20 entre {low95} y {high95}. Sin cambio y con la volatilidad de hoy (paseo "
        "aleatorio) sería {walk_low} a {walk_high}.",
    ),
    "made_by": ("Made by {model} ({engine}); {bands}.", "Hecho por {model} ({engine}); {bands}."),
    "bands_corrected": ("bands corrected by {errors} past errors", "bandas corregidas con {errors} errores pasados"),
    "bands_own": ("bands are the model's own", "bandas propias del modelo"),
    "history": ("price", "precio"),
    "median": ("median", "mediana"),
    "walk": ("random walk, 95 %", "paseo aleatorio, 95 %"),
    "band_50": ("50 % band", "banda del 50 %"),
    "band_80": ("80 % band", "banda del 80 %"),
    "band_95": ("95 % band", "banda del 95 %"),
    "scorecard": ("How good forecasts have been", "Qué tan buenos han sido los pronósticos"),
    "scorecard_words": (
        "Skill is the share of the loss that the forecast saves: against the random walk for the error (RMSE), against "
        "the EWMA walk for the whole fan (CRPS); above 0 is better, in brackets the 95 % interval. An interval that "
        "holds 0 says: no better and no worse than chance can tell.",
        "La habilidad es la parte de la pérdida que el pronóstico ahorra: frente al paseo aleatorio en el error (RMSE), "
        "frente al paseo EWMA en el abanico completo (CRPS); sobre 0 es mejor, entre corchetes el intervalo del 95 %. Un "
        "intervalo que contiene el 0 dice: ni mejor ni peor que lo que el azar permite distinguir.",
    ),
    "horizon": ("horizon", "plazo"),
    "record": ("record", "registro"),
    "independent": ("forecasts (independent)", "pronósticos (independientes)"),
    "rmse": ("RMSE, CLP (walk)", "RMSE, CLP (paseo)"),
    "rmse_skill": ("RMSE skill, %", "habilidad RMSE, %"),
    "crps_skill": ("CRPS skill, %", "habilidad CRPS, %"),
    "coverage": ("inside 80 / 95 %", "dentro de 80 / 95 %"),
    "record_ledger": ("issued at the time", "emitido en su momento"),
    "record_replay": ("issued at a set clock", "emitido con reloj fijado"),
    "record_backtest": ("past dates, made afterwards", "fechas pasadas, hecho después"),
    "copper": ("Copper and its ten features", "El cobre y sus diez indicadores"),
    "copper_price": ("copper, USD/lb", "cobre, USD/lb"),
    "feature": ("feature", "indicador"),
    "unit": ("unit", "unidad"),
    "value": ("value", "valor"),
    "session": ("session", "sesión"),
    "drift": ("Have the inputs changed?", "¿Han cambiado los datos?"),
    "series": ("series", "serie"),
    "statistic": ("statistic", "estadístico"),
    "percentile": ("rank in its own past, %", "rango en su propio pasado, %"),
    "severity": ("severity", "gravedad"),
    "trigger": ("Is a search for better settings due?", "¿Corresponde buscar mejores ajustes?"),
    "rule": ("rule", "regla"),
    "limit": ("limit", "límite"),
    "published": ("published rule", "regla publicada"),
    "calibrated": ("calibrated rule", "regla calibrada"),
    "counts": ("counts", "cuenta"),
    "loop": ("What the loop did", "Qué hizo el ciclo"),
    "searched": (
        "Searched {when}: {count} candidates on {n} past dates; {choice}.",
        "Búsqueda {when}: {count} candidatos en {n} fechas pasadas; {choice}.",
    ),
    "chosen": (
        "the best saves {gain} % of the loss of what is live",
        "el mejor ahorra {gain} % de la pérdida de lo vigente",
    ),
    "kept": ("nothing better by more than chance", "nada mejor más allá del azar"),
    "verdict": ("Validated {when}: {verdict}.", "Validación {when}: {verdict}."),
    "false_pass": (
        "A candidate no better would have been approved with a chance of {chance} %.",
        "Un candidato que no es mejor se habría aprobado con una probabilidad de {chance} %.",
    ),
    "approved": ("approved", "aprobado"),
    "rejected": ("rejected", "rechazado"),
    "inconclusive": ("inconclusive, what is live stays", "no concluyente, lo vigente se mantiene"),
    "passed": ("passed", "cumple"),
    "failed": ("failed", "no cumple"),
    "criterion": ("criterion", "criterio"),
    "interval": ("95 % interval", "intervalo del 95 %"),
    "deployed": ("Last change {when}: {kind}, {state}.", "Último cambio {when}: {kind}, {state}."),
    "never_searched": ("Never searched.", "Nunca se ha buscado."),
    "never_deployed": ("Settings never changed by the loop.", "El ciclo nunca ha cambiado los ajustes."),
    "freshness": ("How fresh the data are", "Qué tan frescos están los datos"),
    "faults": ("Could not be read, and is left out:", "No se pudo leer y queda fuera:"),
    "table": ("table", "tabla"),
    "last": ("last", "último"),
    "age": ("age, sessions", "antigüedad, sesiones"),
    "source": ("source", "fuente"),
    "stale": ("stale", "desactualizado"),
    "limits": ("Limits", "Límites"),
    "limit_walk": (
        "No published model beats the random walk's point forecast of the peso at these horizons with any regularity "
        "(Meese and Rogoff 1983, Rossi 2013). What can be earned is the width of the bands.",
        "Ningún modelo publicado supera con regularidad el pronóstico puntual del paseo aleatorio para el peso en estos "
        "plazos (Meese y Rogoff 1983, Rossi 2013). Lo que se puede ganar es el ancho de las bandas.",
    ),
    "limit_band": (
        "A 95 % band is missed one time in twenty, and more often in the first weeks of a new regime.",
        "Una banda del 95 % falla una de cada veinte veces, y más a menudo en las primeras semanas de un nuevo régimen.",
    ),
    "limit_source": (
        "Yahoo's service is unofficial and its peso bars are noisy; where it fails, the Banco Central's observed dollar "
        "stands in, a session behind.",
        "El servicio de Yahoo no es oficial y sus barras del peso tienen ruido; cuando falla, lo reemplaza el dólar "
        "observado del Banco Central, con una sesión de retraso.",
    ),
    "limit_advice": (
        "This page is information, not advice to trade.",
        "Esta página es información, no una recomendación de inversión.",
    ),
    "missing": ("Not there yet: {command}", "Aún no existe: {command}"),
    "yes": ("yes", "sí"),
    "no": ("no", "no"),
    "not enough": ("not enough evidence", "evidencia insuficiente"),
    # Names of rules, criteria, severities and kinds.
    "age_rule": ("age", "antigüedad"),
    "degradation": ("degradation", "deterioro"),
    "drift_rule": ("drift", "deriva"),
    "cooldown": ("cooldown", "pausa"),
    "manual": ("asked for by hand", "pedido a mano"),
    "improvement": ("improvement", "mejora"),
    "stability": ("stability of errors", "estabilidad del error"),
    "time": ("inference time", "tiempo de inferencia"),
    "bias": ("bias", "sesgo"),
    "coverage_rule": ("coverage of the 95 % band", "cobertura de la banda del 95 %"),
    "NONE": ("none", "ninguna"),
    "LOW": ("low", "baja"),
    "MEDIUM": ("medium", "media"),
    "HIGH": ("high", "alta"),
    "deploy": ("new settings", "nuevos ajustes"),
    "rollback": ("rollback", "vuelta atrás"),
    "state_deployed": ("live", "vigente"),
    "state_unchanged": ("live already", "ya vigente"),
    "state_refused": ("refused", "rechazado"),
    "state_failed": ("failed", "falló"),
    # The ten features, by column.
    "copper_ret_1d": ("return of 1 session", "retorno de 1 sesión"),
    "copper_ret_5d": ("return of 5 sessions", "retorno de 5 sesiones"),
    "copper_ret_20d": ("return of 20 sessions", "retorno de 20 sesiones"),
    "copper_vol_20d": ("volatility of 20 sessions, a year", "volatilidad de 20 sesiones, anual"),
    "copper_vol_60d": ("volatility of 60 sessions, a year", "volatilidad de 60 sesiones, anual"),
    "copper_sma_20": ("average of 20 sessions", "promedio de 20 sesiones"),
    "copper_sma_50": ("average of 50 sessions", "promedio de 50 sesiones"),
    "copper_trend_signal": ("trend: sign of average 20 less 50", "tendencia: signo de promedio 20 menos 50"),
    "copper_rsi_14": ("relative strength, 14 sessions", "fuerza relativa, 14 sesiones"),
    "copper_usdclp_corr_90d": ("correlation with the dollar, 90 sessions", "correlación con el dólar, 90 sesiones"),
}


def speaker(language: Language) -> Say:
    """A function that gives texts by key in one language.

    Raises:
        KeyError: there is no such text; the report has no sentence that is not here.
    """
    place = 0 if language == "en" else 1

    def say(key: str, **filled: Any) -> str:
        return _TEXTS[key][place].format(**filled)

    return say


def number(value: float | None, digits: int, language: Language) -> str:
    """A figure with a decimal comma in Spanish; a dash where there is none."""
    if value is None:
        return "–"
    text = f"{round(value, digits) + 0.0:,.{digits}f}"  # + 0.0: no minus before a nought
    return text if language == "en" else text.translate(str.maketrans(",.", ".,"))
