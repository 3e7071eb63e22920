"""Decides pairs of policy sets with an SMT solver: is there a request that one side allows and the other does not?

Reads one pair a line from standard input, as pkg/policy/pairs_smt_test.go writes it, and prints one letter each: E equivalent,
M something is missing, X something is in excess, B both, U when the solver does not say within its time.

It knows identity documents and a boundary, Action and NotAction, Resource and NotResource, and every condition operator with its set
qualifiers and IfExists. Text is a string with regular expressions, a number or a date a rational, an address a bit vector, a Boolean a Boolean; each key
has its presence, and a key with several values holds up to three. Policy variables and principals are left out.
"""

import ipaddress
import json
import multiprocessing
import sys
from datetime import datetime, timezone
from fractions import Fraction

import z3

EFFORT = 2_000_000  # z3's own count of work for one question, so that a busy machine decides as much as an idle one
STRING = z3.StringSort()
ANY = z3.AllChar(z3.ReSort(STRING))
ANYTHING = z3.Full(z3.ReSort(STRING))
NO_COLON = z3.Intersect(ANY, z3.Complement(z3.Re(":")))


def concat(parts):
    parts = list(parts)
    if not parts:
        return z3.Re("")
    return parts[0] if len(parts) == 1 else z3.Concat(*parts)


def union(parts):
    return parts[0] if len(parts) == 1 else z3.Union(*parts)


def literal(char, fold=False):
    code = lambda c: z3.StringVal("\\u{%x}" % ord(c))
    if fold and char.isascii() and char.isalpha():
        return z3.Union(z3.Re(code(char.lower())), z3.Re(code(char.upper())))
    return z3.Re(code(char))


def glob(text, one=ANY, fold=False, wildcards=True):
    many = ANYTHING if one is ANY else z3.Star(one)
    return concat(many if c == "*" and wildcards else one if c == "?" and wildcards else literal(c, fold) for c in text)


def arn(text):
    """Six components, each compared by itself; only the last may hold more colons. None when the pattern has fewer."""
    parts = text.split(":", 5)
    if len(parts) < 6:
        return None
    return concat([x for p in parts[:5] for x in (glob(p, NO_COLON), z3.Re(":"))] + [glob(parts[5])])


def resource(text):
    """IAM User Guide, "IAM JSON policy elements: Resource": a star at the end of a segment reaches beyond the colon."""
    if not text.startswith("arn:"):
        return glob(text)
    parts = text.split(":", 5)
    out, crosses = [], False
    for i, p in enumerate(parts):
        if i:
            out.append(z3.Re(":"))
        if i == 5:
            out.append(glob(p))
        elif p.endswith("*"):
            crosses = True
            out += [glob(p[:-1], NO_COLON), ANYTHING]
        else:
            out.append(glob(p, NO_COLON))
    if len(parts) < 6 and not crosses:
        out += [z3.Re(":"), ANYTHING]
    return concat(out)


def moment(text):
    if "-" not in text:
        return Fraction(text)
    t = datetime.fromisoformat(text)
    if t.tzinfo is None:
        t = t.replace(tzinfo=timezone.utc)
    return Fraction(t.timestamp())


def rational(value):
    return z3.Q(value.numerator, value.denominator)


def bare(operator):
    op = operator.lower()
    exists = op.endswith("ifexists")
    op = op.removesuffix("ifexists")
    quantifier, _, name = op.rpartition(":")
    negated = "not" in name
    return quantifier, name.replace("not", ""), negated, exists


def family(name):
    for prefix in ("string", "numeric", "date", "bool", "ipaddress", "arn", "binary"):
        if name.startswith(prefix):
            return prefix
    return ""


ORDER = {
    "lessthan": lambda a, b: a < b,
    "lessthanequals": lambda a, b: a <= b,
    "greaterthan": lambda a, b: a > b,
    "greaterthanequals": lambda a, b: a >= b,
    "equals": lambda a, b: a == b,
}


class Address:
    """An address: its version and 128 bits, of which IPv4 has the last 32."""

    def __init__(self, name):
        self.six = z3.Bool(name + ".six")
        self.bits = z3.BitVec(name + ".bits", 128)
        self.sane = z3.Or(self.six, z3.Extract(127, 32, self.bits) == 0)

    def within(self, text):
        net = ipaddress.ip_network(text, strict=False)
        host = net.max_prefixlen - net.prefixlen
        same = z3.LShR(self.bits, host) == (int(net.network_address) >> host) if host < 128 else z3.BoolVal(True)
        return z3.And(self.six == (net.version == 6), same)

    def differs(self, other):
        return z3.Or(self.six != other.six, self.bits != other.bits)


class Key:
    def __init__(self, name, kinds, several):
        self.present = z3.Bool(name + "?")
        kind = next(iter(kinds)) if len(kinds) == 1 else "string"
        count = 3 if several else 1
        self.values = [self.make(kind, "%s.%d" % (name, i)) for i in range(count)]
        self.there = [z3.BoolVal(True)] + [z3.Bool("%s.%d?" % (name, i)) for i in range(1, count)]
        self.rules = []
        if kind == "ipaddress":
            self.rules += [v.sane for v in self.values]
        if kind == "arn":
            self.rules += [z3.InRe(v, concat([z3.Star(NO_COLON), z3.Re(":")] * 5 + [ANYTHING])) for v in self.values]
        if several:
            self.rules.append(z3.Implies(self.there[2], self.there[1]))
            for i in range(3):
                for j in range(i):
                    a, b = self.values[i], self.values[j]
                    self.rules.append(z3.Implies(self.there[i], a.differs(b) if kind == "ipaddress" else a != b))

    @staticmethod
    def make(kind, name):
        if kind == "ipaddress":
            return Address(name)
        if kind in ("numeric", "date"):
            return z3.Real(name)
        if kind == "bool":
            return z3.Bool(name)
        return z3.String(name)

    def single(self):
        return z3.Not(self.there[1]) if len(self.there) > 1 else z3.BoolVal(True)


def matches(name, text, value):
    kind = family(name)
    if kind == "string":
        return z3.InRe(value, glob(text, fold="ignorecase" in name, wildcards="like" in name))
    if kind == "arn":
        expression = arn(text)
        return z3.BoolVal(False) if expression is None else z3.InRe(value, expression)
    if kind == "binary":
        return value == z3.StringVal(text)
    if kind == "bool":
        return value == (text.lower() == "true")
    if kind == "ipaddress":
        return value.within(text)
    read = Fraction if kind == "numeric" else moment
    return ORDER[name.removeprefix(kind)](value, rational(read(text)))


class Pair:
    def __init__(self, pair):
        self.action, self.resource = z3.String("action"), z3.String("resource")
        kinds, several = {}, set()
        for side in pair.values():
            for document in self.documents(side):
                for s in document["Statement"]:
                    for operator, tests in s.get("Condition", {}).items():
                        quantifier, name, _, _ = bare(operator)
                        for key in tests:
                            kinds.setdefault(key.lower(), set())
                            if name != "null":
                                kinds[key.lower()].add(family(name))
                                if quantifier:
                                    several.add(key.lower())
        self.keys = {k: Key(k, v, k in several) for k, v in kinds.items()}
        word = z3.Union(z3.Range("a", "z"), z3.Range("0", "9"))
        self.rules = [rule for k in self.keys.values() for rule in k.rules]
        self.rules.append(z3.InRe(self.action, concat([z3.Plus(word), z3.Re(":"), z3.Plus(word)])))
        self.rules.append(z3.InRe(self.resource, z3.Union(z3.Re("*"), concat([z3.Re("arn:")] + [z3.Star(NO_COLON), z3.Re(":")] * 4 + [ANYTHING]))))
        self.expected, self.actual = self.allowed(pair["expected"]), self.allowed(pair["actual"])

    @staticmethod
    def documents(side):
        return side["identity"] + ([side["boundary"]] if side["boundary"] else [])

    def allowed(self, side):
        denied = [self.statement(s) for d in self.documents(side) for s in d["Statement"] if s["Effect"] == "Deny"]
        granted = [self.statement(s) for d in side["identity"] for s in d["Statement"] if s["Effect"] == "Allow"]
        out = z3.And(z3.Or(granted), z3.Not(z3.Or(denied)))
        if side["boundary"]:
            out = z3.And(out, z3.Or([self.statement(s) for s in side["boundary"]["Statement"] if s["Effect"] == "Allow"]))
        return out

    def statement(self, s):
        def element(name, subject, read):
            for field in (name, "Not" + name):
                if field in s:
                    values = s[field] if isinstance(s[field], list) else [s[field]]
                    hit = z3.InRe(subject, union([read(v) for v in values]))
                    return z3.Not(hit) if field.startswith("Not") else hit

        tests = [element("Action", self.action, lambda v: glob(v.lower())), element("Resource", self.resource, resource)]
        for operator, keys in s.get("Condition", {}).items():
            for key, values in keys.items():
                tests.append(self.condition(operator, self.keys[key.lower()], values if isinstance(values, list) else [values]))
        return z3.And(tests)

    def condition(self, operator, key, values):
        quantifier, name, negated, exists = bare(operator)
        if name == "null":
            return z3.Or([z3.Not(key.present) if v.lower() == "true" else key.present for v in values])

        def passes(value):
            hit = z3.Or([matches(name, text, value) for text in values])
            return z3.Not(hit) if negated else hit

        each = [(there, passes(v)) for there, v in zip(key.there, key.values)]
        if quantifier == "forallvalues":
            held, absent = z3.And([z3.Implies(t, p) for t, p in each]), True
        elif quantifier == "foranyvalue":
            held, absent = z3.Or([z3.And(t, p) for t, p in each]), exists
        else:
            held, absent = z3.And(key.single(), each[0][1]), exists or negated
        return z3.Or(z3.And(key.present, held), z3.And(z3.Not(key.present), z3.BoolVal(absent)))

    def some(self, allows, refuses):
        solver = z3.Solver()
        solver.set("rlimit", EFFORT)
        solver.add(self.rules)
        solver.add(allows, z3.Not(refuses))
        return solver.check()

    def letter(self):
        missing, excess = self.some(self.expected, self.actual), self.some(self.actual, self.expected)
        if z3.unknown in (missing, excess):
            return "U"
        return {(False, False): "E", (True, False): "M", (False, True): "X", (True, True): "B"}[missing == z3.sat, excess == z3.sat]


def decide(line):
    return Pair(json.loads(line)).letter()


if __name__ == "__main__":
    with multiprocessing.Pool() as pool:
        for i, letter in enumerate(pool.imap(decide, sys.stdin, chunksize=4)):
            print(letter, end="\n" if i % 100 == 99 else "", flush=True)
    print()
