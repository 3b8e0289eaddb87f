"""Short texts on data, models and performance from the runs of a table, for a reporting checklist."""

from collections.abc import Callable
from functools import cached_property

from lfnet.reports.markdown import escape
from lfnet.runs.public_settings import public_cohort
from lfnet.runs.result import Result
from lfnet.tables.public import public
from lfnet.tables.table import Table

__all__ = ["Facts"]


class Facts:
    """What the runs of a table tell."""

    def __init__(self, table: Table) -> None:
        self.table = public(table)
        self.models = [row for row in self.table.rows if row.kind == "model" and row.runs]
        self.results = [run.result for row in self.models for run in row.runs]

    def each(self, tell: Callable[[Result], str]) -> str:
        """The different texts that the results give, joined; "" where there is none."""
        return "; ".join(dict.fromkeys(filter(None, map(tell, self.results))))

    @cached_property
    def cohorts(self) -> list[Result]:
        """One result of each cohort."""
        return list({result.cohort.fingerprint: result for result in self.results}.values())

    def of_cohorts(self, tell: Callable[[Result], str]) -> str:
        return "; ".join(dict.fromkeys(filter(None, map(tell, self.cohorts))))

    def sizes(self) -> str:
        def tell(result: Result) -> str:
            people = result.cohort.people
            parts = [f"{split} {count} of {people[split]} people" for split, count in result.cohort.recordings.items()]
            return f"recordings of {escape(public_cohort(result))}: {', '.join(parts)}"

        return self.of_cohorts(tell)

    def source(self) -> str:
        def tell(result: Result) -> str:
            simulated = ", simulated: no person was filmed" if result.cohort.simulated else ""
            return f"cohort {escape(public_cohort(result))}{simulated}"

        return self.of_cohorts(tell)

    def outcome(self) -> str:
        def tell(result: Result) -> str:
            scale = result.scale
            kind = "" if scale.classes is None else f", {scale.classes.kind} label"
            cuts = [] if scale.classes is None else [f"{cut.score:g} ({cut.source})" for cut in scale.classes.cutoffs]
            shown = f"; cut-offs {', '.join(cuts)}" if cuts else ""
            return f"{scale.name}, {scale.min:g} to {scale.max:g}{kind}{shown}"

        return self.each(lambda result: escape(tell(result)))

    def predictors(self) -> str:
        def tell(result: Result) -> str:
            return f"stream {escape(result.features.stream)}, {result.features.dim} numbers a frame"

        return self.each(tell)

    def coverage(self) -> str:
        def tell(result: Result) -> str:
            return f"{escape(result.features.stream)}: valid in {100 * result.features.coverage:.1f} % of frames"

        return self.each(tell)

    def handling(self) -> str:
        def tell(result: Result) -> str:
            protocol = result.config["protocol"]
            hidden = "hidden by a mask" if protocol.get("mask") else "not masked"
            unusable = protocol.get("health", {}).get("unusable", "refuse")
            name = escape(str(protocol.get("name")))
            return f"protocol {name}: padding and lost frames {hidden}; unusable clips: {unusable}"

        return self.each(tell)

    def split(self) -> str:
        def tell(result: Result) -> str:
            splits = result.config.get("splits") or {}
            select = result.config["protocol"].get("select", {})
            chosen = f"chosen by {select.get('split', 'dev')} {select.get('metric', 'mae')}"
            return f"splits {escape(str(splits.get('name', 'official')))}, epochs or recipes {chosen}"

        return self.each(tell)

    def building(self) -> str:
        def tell(result: Result) -> str:
            if result.kind == "fusion":
                return f"fusion {escape(result.model)}"
            trainer = result.config.get("trainer") or {}
            loss = str((trainer.get("loss") or {}).get("_target_", "")).rpartition(".")[2]
            trials = result.config.get("tune")
            tuned = f"tuned over {trials} trials on dev" if trials else "settings as given"
            return (
                f"{escape(result.model)}: at most {trainer.get('max_epochs')} epochs, lr {trainer.get('lr')}, "
                f"weight decay {trainer.get('weight_decay')}, loss {escape(loss)}, {tuned}"
            )

        return self.each(tell)

    def seeds(self) -> str:
        counts = sorted({len(row.seeds) for row in self.models})
        return f"{' or '.join(map(str, counts))} seeds a row" if counts else ""

    def size_of_models(self) -> str:
        return self.each(
            lambda result: (
                ""
                if result.cost.parameters is None
                else f"{escape(result.model)}: {result.cost.parameters:,.0f} parameters"
            )
        )

    def performance(self) -> str:
        metrics = [column for column in self.table.columns if column.metric and column.name.startswith("test.")]
        lines = []
        for row in self.models:
            cells = [f"{one.heading} {row.cells[one.name].text}" for one in metrics if one.name in row.cells]
            lines.append(f"{escape(', '.join(self.table.names(row)) or row.label)}: {', '.join(cells)}")
        return "; ".join([*lines, "± is the SD over seeds; the table has 95 % intervals over people and seeds"])

    def findings(self) -> str:
        found = self.table.findings
        return "" if found is None else "; ".join(f"{question}: {answer}" for question, answer in found.lines)

    def differences(self) -> str:
        """Leaks and warnings of the audit; "" where nothing was audited."""
        entries = [entry for result in self.cohorts for entry in result.audit]
        found = [f"{one.title}: {one.text.rstrip('.')}" for one in entries if one.status in ("leak", "warning")]
        if entries and not found:
            return "the audit of the cohort has no leak and no warning"
        return escape("; ".join(dict.fromkeys(found)))

    def limits(self) -> str:
        marks = [mark for result in self.results for mark in result.marks]
        warnings = [text for result in self.cohorts for text in result.cohort.warnings]
        return escape("; ".join(dict.fromkeys([*self.table.banners, *self.table.warnings, *warnings, *marks])))

    def versions(self) -> str:
        def tell(result: Result) -> str:
            return ", ".join(f"{name} {number}" for name, number in sorted(result.versions.items()))

        return self.each(tell)

    def known_groups(self) -> str:
        """What is known of the people; "" where nothing is."""
        tables = [row.runs[0].groups for row in self.models]
        names = dict.fromkeys(name for table in tables if table is not None for name in table.columns[3:])
        return f"known of the people: {escape(', '.join(names))}" if names else ""

    def group_errors(self) -> str:
        """The titles of the blocks that compare groups of people; "" where the table has none."""
        blocks = [block for section in self.table.sections for block in section.evidence if "differences" in block.data]
        return escape("; ".join(block.title for block in blocks if "groups" in block.data))

    def performance_in_groups(self) -> str:
        return "; ".join(filter(None, (self.performance(), self.group_errors())))

    def measures(self) -> str:
        names = [column.heading for column in self.table.columns if column.metric]
        return ", ".join([*names, "intervals over people and seeds; figures by lfnet report --figures"])

    def labels(self) -> str:
        return "; ".join(
            f"{entry.title}: {escape(entry.text.rstrip('.'))}"
            for result in self.cohorts
            for entry in result.audit
            if entry.name == "labels"
        )
