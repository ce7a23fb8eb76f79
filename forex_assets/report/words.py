"""Texts of the daily report in English and Spanish."""

# ruff: noqa: E501  (prose, one sentence a line)
from collections.abc import Callable
from typing import Any, Final, Literal

Language = Literal["en", "es"]
Say = Callable[..., str]
"""`say("key", name=value)`: a key's text in the report's language, its fields filled."""

_TEXTS: Final[dict[str, tuple[str, str]]] = {
    "title": ("USD/CLP daily report", "Informe diario USD/CLP"),
    "as_of": ("As of {when}, Santiago", "Al {when}, Santiago"),
    "sample": (
        "SAMPLE DATA, not market prices: all figures on this page come from a generated market.",
        "SAMPLE DATA, not market prices: datos generados, no son precios de mercado. Todas las cifras de esta página vienen "
        "de un mercado simulado.",
    ),
    "forecasts": ("Where the dollar may go", "Hacia dónde puede ir el dólar"),
    "forecast_of": ("{days} days: to {target}", "{days} días: al {target}"),
    "starts_from": (
        "Starts from {last} ({kind} of {dated}, {hours} h old when issued).",
        "Parte de {last} ({kind} del {dated}, {hours} h al emitirse).",
    ),
    "starts_from_assumed": (
        "Starts from {last} ({kind} of {dated}, {hours} h old when issued, availability assumed).",
        "Parte de {last} ({kind} del {dated}, {hours} h al emitirse, disponibilidad supuesta).",
    ),
    "starts_on": ("From {last} on {origin}.", "Desde {last} el {origin}."),
    "origin_last price": ("last price", "último precio"),
    "origin_dólar observado": ("dólar observado", "dólar observado"),
    "origin_open of the unfinished bar": ("open of the unfinished bar", "apertura de la barra en curso"),
    "origin_finished bar": ("finished bar", "barra cerrada"),
    "band_words": (
        "Half of the outcomes are expected above {median} and half below; 8 in 10 between {low80} "
        "and {high80}, 19 in 20 between {low95} and {high95}. The no-change benchmark (random walk) gives "
        "{walk_low} to {walk_high} for 19 in 20.",
        "Se espera la mitad de los resultados sobre {median} y la mitad bajo ese valor; 8 de 10 "
        "entre {low80} y {high80}, 19 de 20 entre {low95} y {high95}. La referencia sin cambio (caminata "
        "aleatoria) da {walk_low} a {walk_high} para 19 de 20.",
    ),
    "made_by": ("Model {model} ({engine}); {bands}.", "Modelo {model} ({engine}); {bands}."),
    "embedded_bands": (
        "Up to 30 days its bands are about those of recent volatility alone (FOREX_MODEL=ewma).",
        "Hasta 30 días sus bandas son casi las de la sola volatilidad reciente (FOREX_MODEL=ewma).",
    ),
    "shared_chart": ("Drawn in the chart of {days} days.", "Dibujado en el gráfico de {days} días."),
    "bands_corrected": ("bands calibrated on {errors} past errors", "bandas calibradas con {errors} errores pasados"),
    "bands_own": ("bands not calibrated", "bandas sin calibrar"),
    "history": ("price", "precio"),
    "median": ("median", "mediana"),
    "walk": ("no-change benchmark, 95 %", "caminata aleatoria, 95 %"),
    "band_50": ("50 % band", "banda del 50 %"),
    "band_80": ("80 % band", "banda del 80 %"),
    "band_95": ("95 % band", "banda del 95 %"),
    "scorecard": ("Accuracy of past forecasts", "Precisión de los pronósticos pasados"),
    "scorecard_words": (
        "Skill is the improvement over no change: of the error (RMSE) over the no-change benchmark, of the whole forecast "
        "(CRPS) over the no-change benchmark with EWMA volatility. Above 0 is better; the 95 % interval is in brackets. If "
        "it contains 0, the difference may be chance.",
        "La habilidad es la mejora sobre no cambiar: la del error (RMSE) sobre la caminata aleatoria, la del pronóstico "
        "completo (CRPS) sobre la caminata aleatoria con volatilidad EWMA. Sobre 0 es mejor; entre corchetes, el intervalo "
        "del 95 %. Si contiene el 0, la diferencia puede ser azar.",
    ),
    "horizon": ("horizon", "plazo"),
    "record": ("record", "registro"),
    "independent": ("forecasts (independent)", "pronósticos (independientes)"),
    "rmse": ("RMSE, CLP (no change)", "RMSE, CLP (sin cambio)"),
    "rmse_skill": ("RMSE skill, %", "habilidad RMSE, %"),
    "crps_skill": ("CRPS skill, %", "habilidad CRPS, %"),
    "coverage": ("inside 80 / 95 %", "dentro de 80 / 95 %"),
    "record_ledger": ("issued live", "emitido en vivo"),
    "record_replay": ("issued at a past clock", "emitido con reloj pasado"),
    "record_backtest": ("past test dates", "fechas de prueba pasadas"),
    "copper": ("Copper and its ten features", "El cobre y sus diez indicadores"),
    "copper_price": ("copper, USD/lb", "cobre, USD/lb"),
    "feature": ("feature", "indicador"),
    "unit": ("unit", "unidad"),
    "value": ("value", "valor"),
    "session": ("session", "sesión"),
    "drift": ("Have the inputs changed?", "¿Han cambiado los datos?"),
    "series": ("series", "serie"),
    "statistic": ("statistic", "estadístico"),
    "percentile": ("percentile in its history, %", "percentil en su historia, %"),
    "severity": ("severity", "gravedad"),
    "trigger": ("Is a search for better settings due?", "¿Corresponde buscar una mejor configuración?"),
    "rule": ("rule", "regla"),
    "limit": ("limit", "límite"),
    "published": ("published rule", "regla publicada"),
    "calibrated": ("calibrated rule", "regla calibrada"),
    "counts": ("counts", "cuenta"),
    "loop": ("What the loop did", "Qué hizo el ciclo"),
    "searched": (
        "Search {when}: {count} candidates on {n} past test dates; {choice}.",
        "Búsqueda {when}: {count} candidatos en {n} fechas de prueba pasadas; {choice}.",
    ),
    "chosen": (
        "the best lowers the loss of the current settings by {gain} %",
        "el mejor reduce en {gain} % la pérdida de la configuración vigente",
    ),
    "kept": ("no significant improvement", "sin mejora significativa"),
    "verdict": ("Validation {when}: {verdict}.", "Validación {when}: {verdict}."),
    "false_pass": (
        "A candidate no better would have been approved with a chance of {chance} %.",
        "Un candidato que no es mejor se habría aprobado con una probabilidad de {chance} %.",
    ),
    "approved": ("approved", "aprobado"),
    "rejected": ("rejected", "rechazado"),
    "inconclusive": ("inconclusive, the current settings stay", "no concluyente, se mantiene la configuración vigente"),
    "passed": ("passed", "cumple"),
    "failed": ("failed", "no cumple"),
    "criterion": ("criterion", "criterio"),
    "interval": ("95 % interval", "intervalo del 95 %"),
    "deployed": ("Last change {when}: {kind}, {state}.", "Último cambio {when}: {kind}, {state}."),
    "never_searched": ("Never searched.", "Nunca se ha buscado."),
    "never_deployed": ("The loop never changed the settings.", "El ciclo nunca ha cambiado la configuración."),
    "freshness": ("Age of the data", "Antigüedad de los datos"),
    "faults": ("Left out, since it cannot be read:", "Queda fuera porque no se puede leer:"),
    "table": ("table", "tabla"),
    "last": ("last", "último"),
    "age": ("age, sessions", "antigüedad, sesiones"),
    "source": ("source", "fuente"),
    "stale": ("stale", "desactualizado"),
    "limits": ("Limits", "Límites"),
    "limit_walk": (
        "No published model regularly beats the no-change benchmark's point forecast of the peso at these horizons (Meese "
        "and Rogoff 1983, Rossi 2013). Only the bands can be improved.",
        "Ningún modelo publicado supera con regularidad el pronóstico puntual de la caminata aleatoria para el peso en "
        "estos plazos (Meese y Rogoff 1983, Rossi 2013). Solo se pueden mejorar las bandas.",
    ),
    "limit_band": (
        "A 95 % band is missed one time in twenty, and more often in the first weeks of a new regime.",
        "Una banda del 95 % falla una de cada veinte veces, y más a menudo en las primeras semanas de un nuevo régimen.",
    ),
    "limit_source": (
        "Yahoo's service is unofficial and its peso bars are noisy. The fallback is the Banco Central's observed dollar, "
        "one trading day late.",
        "El servicio de Yahoo no es oficial y sus barras del peso tienen ruido. El respaldo es el dólar observado del "
        "Banco Central, con un día hábil de retraso.",
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
    "manual": ("manual request", "pedido manual"),
    "improvement": ("improvement", "mejora"),
    "stability": ("stability of errors", "estabilidad del error"),
    "time": ("inference time", "tiempo de inferencia"),
    "bias": ("bias", "sesgo"),
    "coverage_rule": ("coverage of the 95 % band", "cobertura de la banda del 95 %"),
    "NONE": ("none", "ninguna"),
    "LOW": ("low", "baja"),
    "MEDIUM": ("medium", "media"),
    "HIGH": ("high", "alta"),
    "deploy": ("new settings", "nueva configuración"),
    "rollback": ("rollback", "reversión"),
    "state_deployed": ("current", "vigente"),
    "state_unchanged": ("current already", "ya vigente"),
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
    """Returns the function that gives texts by key in one language.

    Raises:
        KeyError: (from that function) no such key.
    """
    place = 0 if language == "en" else 1

    def say(key: str, **filled: Any) -> str:
        return _TEXTS[key][place].format(**filled)

    return say


def number(value: float | None, digits: int, language: Language) -> str:
    """Formats a number, with a decimal comma in Spanish; `–` for None."""
    if value is None:
        return "–"
    text = f"{round(value, digits) + 0.0:,.{digits}f}"  # + 0.0: no minus before zero
    return text if language == "en" else text.translate(str.maketrans(",.", ".,"))
