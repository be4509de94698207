"""Given names and their short forms: two names of one line may be one person."""

from __future__ import annotations

_GROUPS = """
abigail abby abbie gail
adrian ade
alan al allan allen
albert al bert bertie
alexander alex al sandy alec alasdair alastair alistair lex xander sasha
alexandra alex sandra alexa lexi sandy sasha
alfred al alf alfie fred freddie
alice ali
alicia ali allie ally
alison ali allison
amanda mandy
amelia amy millie
andrea andie
andrew andy drew
angela angie ange
ann anne annie anna nan nancy
anthony tony ant antony
antoinette toni
archibald archie arch
arnold arnie
arthur art artie
barbara barb barbie babs
barnaby barney
bartholomew bart
beatrice bea trixie
benjamin ben benny benji
bernadette bernie
bernard bernie
bradley brad
brenda bren
brendan bren
brian bryan
bridget bridie biddy
bruce brucie
calvin cal
cameron cam
caroline carol carrie caz carolyn
cassandra cass cassie
catherine cathy kathy kate katie cath kath kit kitty katherine kathryn cathryn katharine
cecilia cissy celia
charles charlie chuck chas chaz
charlotte charlie lottie
cheryl cherie
christina chris chrissie tina christine kristina kristine
christopher chris kit topher kris
clarence clarrie
claudia claud
clifford cliff
clinton clint
colin col
constance connie
cornelius con
courtney court
craig craigie
crystal chrissie
cynthia cindy
cyril cy
daisy dais
daniel dan danny
danielle dani danni
darren daz
darrell daryl
david dave davey davy
deborah deb debbie debra
denise dee
dennis denny den denis
derek del
desmond des
diane di diana dianne
dominic dom nic
donald don donnie
donna don
dorothy dot dottie dolly
douglas doug dougie
duncan dunc
dylan dyl
edith edie
edmund ed eddie ned ted
edward ed eddie ned ted teddy
edwin ed eddie
eileen aileen
eleanor ellie nell nora elle
elizabeth liz beth betty lizzie eliza libby bess betsy lisa liza elsie lib elisabeth
ellen nell nellie
emily em emmie millie
emma em
eric rick
ernest ernie
esther essie
eugene gene
evelyn eve evie
felicity flick fliss
florence flo florrie
frances fran francie frankie
francis frank frankie
franklin frank
frederick fred freddie freddy fredrick
gabriel gabe
gabrielle gabby
gareth gaz
gary gaz garry
gavin gav
geoffrey geoff jeff jeffrey
jeffery jeff geoff jeffrey
george georgie
georgina georgie gina
gerald gerry jerry
gerard gerry ged
geraldine gerry jerry
gertrude gert gertie trudy
gilbert gil bert
gillian gill jill gilly
glenn glen
gordon gord
graham graeme
grant granty
gregory greg gregg
guy guido
hannah han
harold harry hal
harriet hattie harri
heather hev
helen nell nellie lena
henrietta hettie etta
henry harry hank hal
herbert herb bert herbie
howard howie
hubert bert hugh
hugh hughie
ian iain
imogen immy
irene rene
isaac ike zac
isabella bella izzy isabel isabelle belle
jacob jake
jaclyn jackie
jacqueline jackie jacqui jacquie
james jim jimmy jamie jem
jane janie janey
janet jan
janice jan
jason jase jay
jean jeannie
jennifer jen jenny jenni
jeremiah jerry
jeremy jez jem
jerome jerry
jessica jess jessie
jillian jill
joan joanie
joanne jo joanna
jocelyn joss jo
john johnny jack jon
jonathan jon jonny jonty jonathon
joseph joe joey
josephine jo josie
joshua josh
joyce joy
judith judy jude
julia jules julie
julian jules
juliet jules
justin jus
karen kaz
kathleen kath kathy katie kate
keith keithy
kelly kel
kenneth ken kenny
kerry kez
kevin kev
kimberley kim kimberly
kirsty kirsten
lachlan lachie
laura laurie
lauren laurie
laurence larry laurie lawrence laurie
leonard len lenny leo
leslie les lesley
lewis lew louis
liam william
lillian lil lily lillie
linda lyn lindy lynda
lindsay linds
lionel leo
louis lou louie
louise lou lulu
lucas luke
lucille lucy
lydia liddy
lynette lyn lynn
madeleine maddie maddy madeline
malcolm mal
marcus marc mark
margaret maggie meg peg peggy marge margie madge greta margo rita daisy
maria mia marie
marilyn lyn
marjorie marge
martha marty mattie
martin marty
mary molly polly mae may
matilda tilly mattie tilda
matthew matt matty mathew
maureen mo
maurice mo maurie
maxwell max
maximilian max
megan meg
melanie mel
melissa mel missy lissa
michael mike mick micky mickey mitch
michelle shelly chelle
mildred millie
miranda randy mandy
miriam mim
mitchell mitch
mohammed mohammad muhammad mohamed mo
montgomery monty
morris mo
muriel mu
murray muz
nadine nad
natalie nat nattie
natasha tash tasha
nathan nat nate
nathaniel nat nate nathan
neil neal niall
neville nev
nicholas nick nicky nico nicolas
nicola nicky nic
nicole nicky nic nikki
nigel nige
noel nole
norman norm
oliver ollie olly
olivia liv livvy
oscar ozzie
oswald ozzie
pamela pam
patience patty
patricia pat patty trish tricia patsy trisha
patrick pat paddy rick
paul paulie
paula polly
pauline polly
penelope penny
percival percy
peter pete
philip phil pip phillip
philippa pip pippa
phyllis phyl
prudence prue
rachel rach rachael
ralph ralphie
raymond ray
rebecca becky bec becca
reginald reg reggie
rhonda ron
richard rick dick richie rich ricky dickie
robert rob bob bobby robbie bert robin
roberta bobbie
robyn rob
rodney rod
roger rog
roland rollo
ronald ron ronnie
rosalind ros roz
rosamund ros
rose rosie
rosemary rose rosie romy
ross rossco
rowena ro
roxanne roxy
rupert rupe
russell russ rusty
ruth ruthie
ryan ry
samantha sam sammy
samuel sam sammy
sarah sal sally sara
scott scotty
sean shaun shane shawn
sebastian seb bas
sharon shaz
sheila shelly
shirley shirl
sidney sid sydney
simon si
solomon sol
sophia sophie soph
spencer spence
stanley stan
stella ella
stephanie steph stef stephie
stephen steve steven stevie steph
stewart stew stuart stu
susan sue susie suzy suzie sus
suzanne sue suzie
sylvia syl
tabitha tabby
tamara tammy
teresa terry tess theresa tessa
terence terry tel terrence
thaddeus tad
theodore theo ted teddy
thomas tom tommy thom
timothy tim timmy
tobias toby
travis trav
trevor trev
ursula ursie
valentine val
valerie val
vanessa nessa ness
veronica ronnie vera roni
victor vic
victoria vicky vic tori vikki
vincent vin vince vinny
virginia ginny ginger
vivian viv
walter wally walt wal
warren waz
wayne wayno
wendy wen
wilfred wilf fred
wilhelmina minnie mina
william bill will billy willy willie
winifred winnie freda
winston win
yvonne vonnie
zachary zac zach zack zak
"""

_SINGLE = """
aaron abdul adam adele agnes ahmed aidan aiden aisha alana alec alejandro alessandro alex alexis
alfonso alfredo ali alicia alina alistair alma amber amelie amir amy ana anastasia andre andreas
angelina angelo angus anil anita anja anton antonia antonio april ariana arjan arjun arlene arun
asha ashley astrid audrey aurora ava ayesha barry beata bella ben bernice beryl beth bethany betty
bianca bjorn blake blanche bonnie boris brad bradley brendon brett brianna bridgette britt bronwyn
brooke bruno bryce byron caitlin callum cameron camille candice carina carl carla carlo carlos
carlton carmel carmen carolina cathal cedric celeste celine chad chantal charmaine chelsea chen
chi chloe christian ciara claire clare claude claudette cleo clint clive cody conor corey cormac
cory cristian cristina dale damian damien dana dante darcy daria daryl davina dawn dean debra
declan deepak della demi dermot desiree devon dexter diarmuid diego dimitri dirk dominique donal
dora doreen doris dylan eamon eddie edgar edmond edna eduardo edwina elaine elena eli elias elijah
elise ella elliot elliott elsa emil emilia emilie emilio emma emmanuel enid enrique eoin eric
erica erik erika erin estelle esther ethan ethel eugenie eva evan ewan fabio faith farah fatima
faye felix fergus fernando filip finley finn fiona flora francesca francesco francisco franco
frank frederica freya fritz gabriela gail gavin gemma genevieve georgia georgios germaine gilda
gina ginevra gino giorgio giovanni giulia giuseppe glenda gloria glynn gordon grace greta gustav
gwen hamish hamza hana hanna hans hari harrison harvey hassan hayley hazel heidi helena helga
henrik henry herman hilary hilda hoang holly hubert hugo ian ibrahim igor ines ingrid irma isaiah
isla isobel ivan ivana ivy jack jaclyn jade jai jakob jamal jan janelle janine jared jarrod
jasmine jasper javier jay jayden jayne jeanette jeannette jenna jerome jesse joachim joanna joao
joaquin jocelyn joel johan johann johanna jonas jordan jorge jose josef joselyn josiah juan
juanita judd jurgen kai kaitlyn kamal kane kara karim karin karina karl karolina kasey kate
katelyn katerina katharina kathy katja katrina kaye kayla keiran kelvin kendall kenny khalid
kieran kim kimberley kirk kirra klaus kurt kyla kyle kylie lachlan lana lance lara lars laurel
leah leanne lee leigh leila leo leon leona leonardo leroy lester levi lewis liana lilian lina
lincoln linda lindsey lionel lisa lisette lloyd logan lois lola lorenzo loretta lorna lorraine luc
luca lucia luciano lucinda lucio luigi luis luisa luke lynda lynne mabel maddison magdalena magnus
mai malachy mandy manuel marcel marco maree margot mariana mariano marie mariella marina mario
marion marisa marissa marjorie mark markus marlene marlon marta martina marvin mary massimo mateo
mathew mathias matteo matthias maura mauro mavis maxine maya mehmet mei mercedes meredith merle
mia micah michaela michal miguel mikael mikayla milan miles milo minh mirjam mitchell moira molly
mona monica monique morgan morris moses mustafa myra myrtle nadia nadine nancy naomi narelle
natalia nathalie nell nicholas nicolas nikita niklas nikolai nina noah noelle nora noreen norma
oisin oleg olga olive oliver omar oscar oskar otto owen pablo padraig paige pascal pat patrice
patrik paulina pearl pedro penny percy petra philippa philippe phoebe pierre piotr poppy priya
quentin quinn rachelle rafael raj rajesh ralf ramon randall randy raphael raquel rashid raul ravi
raylene reece regina renata rene renee reuben rex rhys ricardo riley rita roberto rocco roderick
rodrigo rohan roman romeo ronald ronan rory rosa rosalie rosanna roslyn rowan roxanne roy ruby
rudolf rudy ruth sabrina sally salvatore samir samira sandeep sandra sanjay santiago sasha
scarlett sebastian selena selina serena sergei sergio shane shannon shari sharyn shauna sheena
shelley sheridan sherry shirin sian sienna sigrid silvia simone sinead siobhan sofia sofie sonia
sonja sonya stacey stan stefan stefanie stefano sunil sunita suresh susanna sven svetlana tahlia
talia tamsin tania tanja tanya tara tatiana ted tegan terrence tess thea theodora theresa thomas
tiffany tim tina tobias todd tomas toni tonia tony tracey tracie tracy trent trina tristan troy
trudi trudy tyler tyson ulrich umberto una valentina valeria vaughan vera verity vijay vikki
vikram viktor violet vivienne wade walter wanda warren wei werner wilfred wilma winston wolfgang
xavier xiao yan yasmin yolanda yuki yusuf yvette zachary zara zelda zoe zoltan
"""


def _relations() -> dict[str, frozenset[str]]:
    related: dict[str, set[str]] = {}
    for line in _GROUPS.split("\n"):
        names = line.split()
        for name in names:
            related.setdefault(name, set()).update(names)
    return {name: frozenset(others - {name}) for name, others in related.items()}


RELATED = _relations()
"""Name -> the names that may stand for the same person."""

# Short forms that are common words of firms' names before they are names.
_WORDS_FIRST = frozenset({"art", "bas", "con", "court", "han", "ro", "rusty", "ry", "si"})

GIVEN_NAMES = (frozenset(RELATED) | frozenset(_SINGLE.split())) - _WORDS_FIRST
"""Names that are given names even if the practice's own records do not say so."""
