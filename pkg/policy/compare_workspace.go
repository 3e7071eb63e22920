package policy

import "sync"

// workspace is the memory of a comparison that outlives it: the next one finds room instead of asking for it. Nothing in a Result
// lies here.
type workspace struct {
	index        actionIndex
	groups       actionGroups
	statements   []compared
	maker        maker
	vocabularies []*vocabulary
	taken        int // of the vocabularies
	domainRoom   slab[domain]
	questions    slab[question]
	differing    slab[difference]
	assigned     slab[assigned]
	asked        slab[*element]
	flags        slab[bool]
	numbers      slab[int32]
	sides        slab[*statement]
	checked      []checkedGroup
	queue        []pendingWitness
	laterQueue   []pendingWitness
	lists        [2][]Witness // missing, excess
	actionsShown interner     // of the lists

	// scratch is for lists that are done with before the next one of their kind is made.
	scratch struct {
		present, wanted, require, places []int32
		clauses                          [][]int32
		question                         question
	}
}

var workspaces = sync.Pool{New: func() any { return new(workspace) }}

// vocabulary is an empty vocabulary, another one each time.
func (x *workspace) vocabulary() *vocabulary {
	if x.taken == len(x.vocabularies) {
		x.vocabularies = append(x.vocabularies, new(vocabulary))
	}
	x.taken++
	return x.vocabularies[x.taken-1]
}

// keptVocabularies is how many vocabularies are kept: the cases of policy variables may have taken dozens.
const keptVocabularies = 4

// leave empties the workspace for the next comparison.
func (x *workspace) leave() {
	x.index.empty()
	x.groups.empty()
	x.maker.empty()
	for _, v := range x.vocabularies[:min(x.taken, keptVocabularies)] {
		v.empty()
	}
	clear(x.vocabularies[min(len(x.vocabularies), keptVocabularies):])
	x.vocabularies, x.taken = x.vocabularies[:min(len(x.vocabularies), keptVocabularies)], 0
	x.statements, x.checked = emptied(x.statements), emptied(x.checked)
	x.domainRoom.empty()
	x.questions.empty()
	x.differing.empty()
	x.assigned.empty()
	x.asked.empty()
	x.flags.empty()
	x.numbers.empty()
	x.sides.empty()
	x.lists = [2][]Witness{emptied(x.lists[0]), emptied(x.lists[1])}
	x.actionsShown.empty()
	x.scratch.question = question{}
	x.scratch.clauses = emptied(x.scratch.clauses)
	workspaces.Put(x)
}

// empty leaves out the references: decisions keep those.
func (m *maker) empty() {
	m.statements.empty()
	m.patterns.empty()
	m.tokens.empty()
	m.principals.empty()
	m.conditions.empty()
	m.operands.empty()
}

func (v *vocabulary) empty() {
	v.dictionary, v.comparer, v.requirementCount = nil, nil, 0
	v.languages, v.tests, v.atoms, v.bits = emptied(v.languages), emptied(v.tests), emptied(v.atoms), emptied(v.bits)
	v.principals, v.texts = emptied(v.principals), emptied(v.texts)
	v.key, v.numbers = emptied(v.key), emptied(v.numbers)
	v.interned.empty()
	v.small.empty()
	v.pointers.empty()
	v.elements.empty()
	v.known.empty()
	v.symbols.empty()
}

func (x *actionIndex) empty() {
	x.comparer = nil
	x.arena, x.entries, x.table = emptied(x.arena), emptied(x.entries), emptied(x.table)
	x.sets, x.always, x.inverted, x.out = nil, nil, nil, nil
	x.services, x.globs, x.cross = emptied(x.services), emptied(x.globs), emptied(x.cross)
	x.byName.empty()
	x.room.empty()
}

func (g *actionGroups) empty() {
	g.index, g.facts, g.of, g.latest = nil, nil, nil, 0
	g.cells, g.others, g.groups = emptied(g.cells), emptied(g.others), emptied(g.groups)
	g.key = emptied(g.key)
	g.place.empty()
	g.sets.empty()
	g.numbers.empty()
}

func (x *interner) empty() {
	x.arena, x.entries = emptied(x.arena), emptied(x.entries)
	if len(x.table) > keptList {
		x.table = nil
	}
	clear(x.table)
}
